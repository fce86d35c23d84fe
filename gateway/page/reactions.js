// The reactions to a post or comment: a button for each kind with its count. The viewer's own is pressed.
import { element, showCount } from "./dom.js";

const KINDS = { like: "👍", love: "❤️", laugh: "😂", sad: "😢", angry: "😠" };

export class Reactions {
  element;
  #session;
  #target;
  #onChange;
  #buttons;
  #mine = null;

  /** onChange(kind): called when the viewer has reacted; null: has withdrawn the reaction. */
  constructor(session, target_type, target_id, onChange) {
    this.#session = session;
    this.#target = { target_type, target_id };
    this.#onChange = onChange;
    const button = (kind) => element("button", { "data-kind": kind, onclick: () => this.#press(kind) });
    this.#buttons = new Map(Object.keys(KINDS).map((kind) => [kind, button(kind)]));
    const group = { class: "reactions", role: "group", "aria-label": "Reactions" };
    this.element = element("span", group, ...this.#buttons.values());
  }

  /** counts: kind → users. mine: the viewer's own kind or null. */
  show(counts, mine) {
    this.#mine = mine;
    for (const [kind, button] of this.#buttons) {
      showCount(button, KINDS[kind], kind, counts[kind]);
      button.ariaPressed = String(kind === mine);
    }
  }

  async #press(kind) {
    const chosen = kind === this.#mine ? null : kind;
    if (chosen) await this.#session.call("reaction.set", { ...this.#target, kind });
    else await this.#session.call("reaction.unset", this.#target);
    this.#onChange(chosen);
  }
}

/** Return the counts after one user has changed from one kind to another; null: no reaction. */
export function moved(counts, from, to) {
  const changed = { ...counts };
  if (from) changed[from] = (changed[from] ?? 1) - 1;
  if (to) changed[to] = (changed[to] ?? 0) + 1;
  return changed;
}
