// The queue: open cases, gravest first, kept current by pushes.
import { choice } from "./choice.js";
import { draw, element, find } from "./dom.js";
import { readNumber, readTime, word } from "./words.js";

const TYPES = ["", "post", "comment", "message", "media", "room", "room_message", "user"];
const CHOICES = ["free", "mine", "all"];
const MOST = 500; // cases that pushes may make the list hold

export class Queue {
  #session;
  #case;
  #items = [];
  #cursor = null;
  #isCut = false; // there are more cases than the list may hold
  #chosen = null; // the id of the line that J and K move

  constructor(session, oneCase) {
    this.#session = session;
    this.#case = oneCase;
    this.keys = {
      j: ["next_case", () => this.#move(1)],
      k: ["previous_case", () => this.#move(-1)],
      enter: ["open_case", () => this.#open(this.#chosen)],
    };
    find("more-cases").addEventListener("click", () => this.#loadMore());
    session.on("case.opened", ({ case: opened }) => this.#put(opened));
    session.on("case.counted", ({ case_id, report_count, severity, priority }) =>
      this.#change(case_id, { report_count, severity, priority }),
    );
    session.on("case.claimed", ({ case_id, claimed_by, claimed_until }) =>
      this.#change(case_id, { claimed_by, claimed_until }),
    );
    session.on("case.released", ({ case_id }) => this.#change(case_id, { claimed_by: null, claimed_until: null }));
    session.on("case.decided", ({ case_id }) => this.#drop(case_id));
  }

  watch() {
    return this.#session.call("case.watch");
  }

  async load() {
    this.#drawFilters();
    this.#items = [];
    this.#cursor = null;
    this.#isCut = false;
    await this.#loadMore();
    this.#chosen ??= this.#items[0]?.id ?? null;
    this.#draw();
  }

  /** Show the case that follows the one that was decided. */
  next() {
    this.#open(this.#chosen);
  }

  async #loadMore() {
    const { type, claimed } = this.#filters();
    const page = await this.#session.call("case.list", {
      ...(type && { target_types: [type] }),
      ...(this.#cursor && { cursor: this.#cursor }),
      claimed,
    });
    const known = new Set(page.items.map(({ id }) => id));
    this.#items = [...this.#items.filter(({ id }) => !known.has(id)), ...page.items];
    this.#cursor = page.next_cursor;
    this.#draw();
  }

  #filters() {
    const form = find("filters");
    return { type: form.elements.type?.value ?? "", claimed: form.elements.claimed?.value ?? "all" };
  }

  #drawFilters() {
    const { type, claimed } = this.#filters();
    const reload = { onchange: () => this.load(), text: (value) => word(value || "all_types") };
    const focused = document.activeElement?.name;
    find("filters").replaceChildren(choice("type", TYPES, type, reload), choice("claimed", CHOICES, claimed, reload));
    if (focused) find("filters").elements[focused]?.focus();
  }

  #fits(item) {
    const { type } = this.#filters();
    return !type || item.target_type === type;
  }

  #put(opened) {
    if (!this.#fits(opened) || this.#items.some(({ id }) => id === opened.id)) return;
    this.#items.push(opened);
    if (this.#items.length > MOST) this.#isCut = true;
    this.#sort();
  }

  #change(id, changes) {
    this.#items = this.#items.map((item) => (item.id === id ? { ...item, ...changes } : item));
    this.#sort();
    this.#case.hear(id, changes);
  }

  #drop(id) {
    const place = this.#items.findIndex((item) => item.id === id);
    this.#items = this.#items.filter((item) => item.id !== id);
    if (this.#chosen === id) this.#chosen = (this.#items[place] ?? this.#items.at(-1))?.id ?? null;
    if (this.#isCut && this.#items.length < MOST / 2) return this.load();
    this.#draw();
  }

  #sort() {
    this.#items.sort((a, b) => b.priority - a.priority || (BigInt(a.id) < BigInt(b.id) ? -1 : 1));
    if (this.#isCut) this.#items.length = Math.min(this.#items.length, MOST);
    this.#draw();
  }

  #move(step) {
    const place = this.#items.findIndex(({ id }) => id === this.#chosen);
    const item = this.#items[Math.min(Math.max(place + step, 0), this.#items.length - 1)];
    if (!item) return;
    this.#chosen = item.id;
    this.#draw();
    find("cases").querySelector("[aria-current]")?.focus();
  }

  #open(id) {
    if (!id) return this.#case.clear();
    this.#chosen = id;
    this.#draw();
    this.#case.show(id);
  }

  #draw() {
    find("more-cases").hidden = !this.#cursor;
    find("queue-state").textContent = this.#items.length
      ? `${readNumber(this.#items.length)}${this.#cursor || this.#isCut ? "+" : ""} ${word("open_cases")}`
      : word("no_cases");
    draw("cases", this.#items, (item) => {
      const button = element(
        "button",
        { "data-case": item.id, ...(item.id === this.#chosen && { "aria-current": "true" }) },
        element(
          "span",
          item.severity >= 3 ? { class: "severe" } : {},
          `${word(item.target_type)} · ${word(item.reason)} · ${word("severity")} ${readNumber(item.severity)}`,
        ),
        element(
          "small",
          {},
          `${word(item.source)} · ${readNumber(item.report_count)} ${word("reports")} · ${readTime(item.opened_at)}`,
        ),
        item.due_at && element("small", { class: "severe" }, `${word("due")} ${readTime(item.due_at)}`),
        item.claimed_by && element("small", {}, word("claimed_by"), " ", element("bdi", {}, item.claimed_by.username)),
      );
      button.onclick = () => this.#open(item.id);
      return element("li", { "data-id": item.id }, button);
    });
  }
}
