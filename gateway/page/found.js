// What a search has found, as one line for each item.
import { avatar, element, nameButton } from "./dom.js";
import { excerptOf } from "./excerpt.js";
import { hashtagButton } from "./hashtags.js";

/** item: of search.query. open: {post(id), room(id)}. */
export function lineOf(item, open) {
  const found = item[item.kind];
  return element("li", { "data-kind": item.kind, "data-id": found.id ?? found.name }, ...LINES[item.kind](found, open));
}

const inLine = (...parts) => [element("div", { class: "line" }, ...parts)];

const LINES = {
  post: (post, open) => excerptOf(post, open.post),
  user: (user) =>
    inLine(avatar(user), nameButton(user), element("small", {}, `@${user.username} · ${user.follower_count} followers`)),
  hashtag: ({ name }) => inLine(hashtagButton(name)),
  room: (room, open) =>
    inLine(
      avatar(room.host),
      element("strong", { dir: "auto" }, room.topic),
      element("small", {}, room.state),
      room.state === "live" && element("button", { onclick: () => open.room(room.id) }, "Join"),
    ),
};
