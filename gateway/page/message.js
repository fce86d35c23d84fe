// One message of a chat, with what the viewer can do to it.
import { avatar, element, nameButton, timeOf } from "./dom.js";

const TICKS = { sent: "✓", delivered: "✓✓", read: "✓✓" };

/** acts: {edit(message), remove(message, whose)}. */
export function messageLine(message, state, acts) {
  const { chat_id, seq, sender_id, text, created_at, edited_at, deleted } = message;
  const isMine = sender_id === state.me.id;
  const sender = state.user(sender_id);
  return element(
    "li",
    { "data-chat": chat_id, "data-seq": seq, class: isMine ? "mine" : "theirs" },
    element(
      "header",
      { class: "line" },
      ...(sender ? [avatar(sender), nameButton(sender)] : []),
      timeOf(created_at),
      !deleted && edited_at && element("small", {}, "edited"),
      !deleted && isMine && ticks(state.progress(message)),
      !deleted && controls(message, isMine, acts),
    ),
    deleted ? element("small", {}, "deleted message") : element("p", { dir: "auto" }, text),
  );
}

function controls(message, isMine, { edit, remove }) {
  const button = (words, act) => element("button", { onclick: act }, words);
  return element(
    "span",
    { class: "controls" },
    isMine && button("Edit", () => edit(message)),
    isMine && button("Delete", () => remove(message, "everyone")),
    !isMine && button("Hide", () => remove(message, "me")),
  );
}

const ticks = (progress) =>
  element(
    "span",
    { class: "ticks", role: "img", "data-progress": progress, title: progress, "aria-label": progress },
    TICKS[progress],
  );
