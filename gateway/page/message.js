// One message of a chat, with its reactions and what the viewer can do to it.
import { avatar, element, nameButton, showCount, timeOf } from "./dom.js";

const TICKS = { sent: "✓", delivered: "✓✓", read: "✓✓" };
const EMOJI = ["👍", "❤️", "😂", "😮", "🙏"];

/** acts: {edit(message), remove(message, whose), react(message, emoji or null)}. */
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
    deleted
      ? element("small", {}, "deleted message")
      : element("div", { class: "said line" }, element("p", { dir: "auto" }, text), reactionsTo(message, acts)),
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
