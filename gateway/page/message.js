// One message of a chat, with its reactions and what the viewer can do to it.
import { avatar, draw, element, nameButton, showCount, timeOf } from "./dom.js";
import { MediaList } from "./media_list.js";

const TICKS = { sent: "✓", delivered: "✓✓", read: "✓✓" };
const EMOJI = ["👍", "❤️", "😂", "😮", "🙏"];

/** Its files stay in place while the rest is drawn again, so that videos play on. */
export class Message {
  element;
  #acts;
  #media;
  #message;

  /** acts: {edit(message), remove(message, whose), react(message, emoji or null)}. */
  constructor(session, { chat_id, seq }, acts) {
    this.#acts = { ...acts, edit: () => acts.edit(this.#message) }; // its text changes, while its button stays
    this.#media = new MediaList(session);
    this.element = element("li", { "data-chat": chat_id, "data-seq": seq });
  }

  /** state: of the chat. */
  show(message, state) {
    const isMine = message.sender_id === state.me.id;
    this.#message = message;
    this.element.className = isMine ? "mine" : "theirs";
    this.#media.show(message.deleted ? [] : message.media);
    const header = headerOf(message, state.user(message.sender_id), isMine, state, this.#acts);
    draw(this.element, [header, this.#media.element, this.#said(message)], (part) => part);
  }

  #said(message) {
    if (message.deleted) return element("small", {}, "deleted message");
    const text = message.text && element("p", { dir: "auto" }, message.text);
    return element("div", { class: "said line", "data-part": "said" }, text, reactionsTo(message, this.#acts));
  }
}

const headerOf = (message, sender, isMine, state, acts) =>
  element(
    "header",
    { class: "line" },
    ...(sender ? [avatar(sender), nameButton(sender)] : []),
    timeOf(message.created_at),
    !message.deleted && message.edited_at && element("small", {}, "edited"),
    !message.deleted && isMine && ticks(state.progress(message)),
    !message.deleted && controls(message, isMine, acts),
  );

function controls(message, isMine, { edit, remove }) {
  const button = (words, act) => element("button", { onclick: act }, words);
  return element(
    "span",
    { class: "controls" },
    isMine && button("Edit", edit),
    isMine && button("Delete", () => remove(message, "everyone")),
    !isMine && button("Hide", () => remove(message, "me")),
  );
}

/** A button for each emoji of ours and of the others. The viewer's own is pressed. */
function reactionsTo(message, { react }) {
  const { reactions = {}, my_reaction = null } = message;
  const button = (emoji) => {
    const isMine = emoji === my_reaction;
    const made = element("button", {
      "data-emoji": emoji,
      "data-count": reactions[emoji] ?? 0,
      "aria-pressed": isMine,
      onclick: () => react(message, isMine ? null : emoji),
    });
    showCount(made, emoji, `React with ${emoji}`, reactions[emoji]);
    return made;
  };
  const shown = new Set([...EMOJI, ...Object.keys(reactions)]);
  return element("span", { class: "reactions", role: "group", "aria-label": "Reactions" }, ...[...shown].map(button));
}

const ticks = (progress) =>
  element(
    "span",
    { class: "ticks", role: "img", "data-progress": progress, title: progress, "aria-label": progress },
    TICKS[progress],
  );
