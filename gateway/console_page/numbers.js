// The state of the queue in numbers, loaded again every 10 seconds while it is shown.
import { element, find } from "./dom.js";
import { readNumber, readTime, word } from "./words.js";

const EVERY_MS = 10_000;

export class Numbers {
  #session;
  #timer;

  constructor(session) {
    this.#session = session;
  }

  async load() {
    clearTimeout(this.#timer);
    const numbers = await this.#session.call("case.numbers");
    const lines = [
      ...numbers.open.map((count, severity) => [`${word("open")}, ${word("severity")} ${readNumber(severity)}`, count]),
      [word("claimed"), numbers.claimed],
      [word("overdue"), numbers.overdue],
      [word("opened_today"), numbers.opened],
      [word("decided_today"), numbers.decided],
      [word("handling_s"), numbers.handling_s === null ? "–" : Math.round(numbers.handling_s)],
      [word("oldest_open"), numbers.oldest_open_at ? readTime(numbers.oldest_open_at) : "–"],
    ];
    find("counters").replaceChildren(
      ...lines.flatMap(([name, value]) => [
        element("dt", {}, name),
        element("dd", {}, typeof value === "number" ? readNumber(value) : value),
      ]),
    );
    this.#timer = setTimeout(() => !find("numbers").hidden && this.load(), EVERY_MS);
  }
}
