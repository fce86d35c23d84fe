// Keys: each view says which keys it has; a key acts only while no field is being written in.
import { element, find } from "./dom.js";
import { word } from "./words.js";

const FIELDS = "input, select, textarea";

export class Keys {
  #views = new Map();
  #current;

  constructor() {
    document.addEventListener("keydown", (event) => this.#press(event));
    find("show-keys").addEventListener("click", () => this.#list());
  }

  /** keys: {key: [word, act]}, such as {j: ["next", () => …]}. The view "" has those of all views. */
  add(view, keys) {
    this.#views.set(view, keys);
  }

  use(view) {
    this.#current = view;
  }

  #keys() {
    return { ...this.#views.get(""), ...this.#views.get(this.#current) };
  }

  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "Escape") return document.activeElement.blur();
    if (event.target.matches(FIELDS)) return;
    if (event.key === "Enter" && event.target.matches("button, summary")) return; // it presses that button
    if (event.key === "?") return this.#list();
    const found = this.#keys()[event.key.toLowerCase()];
    if (!found) return;
    event.preventDefault();
    found[1]();
  }

  #list() {
    const lines = Object.entries(this.#keys()).flatMap(([key, [key_word]]) => [
      element("dt", {}, element("kbd", {}, key.toUpperCase())),
      element("dd", {}, word(key_word)),
    ]);
    find("key-list").replaceChildren(...lines);
    find("keys").showModal();
  }
}
