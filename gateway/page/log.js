// The log: calls with answers, pushes, and changes of the connection, newest first.
import { element, find } from "./dom.js";

const KEPT = 200;

export class Log {
  #entries = find("log-entries");
  #filter = find("log-filter");

  constructor() {
    this.#filter.addEventListener("input", () => {
      for (const entry of this.#entries.children) this.#hideUnlessWanted(entry);
    });
  }

  addCall(method, argument, answer, milliseconds) {
    const outcome = answer.ok ? `${milliseconds} ms` : `${answer.error.code} ${milliseconds} ms`;
    this.#add(answer.ok ? "call" : "refusal", method, outcome, { argument, answer });
  }

  addPush(name, push, note) {
    this.#add("push", name, note, push);
  }

  addChange(what, detail) {
    this.#add("change", what, "", detail);
  }

  #add(kind, name, outcome, content) {
    const details = element(
      "details",
      {},
      element("summary", {}, element("code", {}, name), " ", element("small", {}, outcome)),
    );
    details.addEventListener("toggle", () => details.append(element("pre", {}, JSON.stringify(content, null, 2))), {
      once: true,
    });
    const entry = element("li", { class: kind, "data-name": name, title: new Date().toLocaleTimeString() }, details);
    this.#hideUnlessWanted(entry);
    this.#entries.prepend(entry);
    if (this.#entries.children.length > KEPT) this.#entries.lastChild.remove();
  }

  #hideUnlessWanted(entry) {
    entry.hidden = !entry.dataset.name.includes(this.#filter.value.trim());
  }
}
