// The title and the avatar of a chat, as the viewer sees them.
import { avatar, element, nameOf } from "./dom.js";

/** The title of a group, or the name of the other user. */
export const chatTitle = (chat, me) => element("bdi", {}, chat.title || nameOf(shownUser(chat, me)));

export const chatAvatar = (chat, me) => avatar(shownUser(chat, me));

/** The other user of a direct chat; something like a user for a group. */
const shownUser = (chat, me) =>
  chat.users.find(({ id }) => id !== me.id) ?? { id: chat.id, username: "group", display_name: "Group" };
