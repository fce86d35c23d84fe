// The panel of search: suggestions while the viewer types, recent searches, and results of each kind by pages.
import { draw, find } from "./dom.js";
import { lineOf } from "./found.js";
import { SearchBox } from "./search_box.js";

const PAGE = 10;

export class Search {
  #session;
  #box;
  #open;
  #latest; // the newest search: answers of earlier ones are not shown
  #query;
  #items = [];
  #cursor = null;

  /** open: {post(id), room(id)}, called with what the viewer chooses. */
  constructor(session, open) {
    this.#session = session;
    const closing = (act) => (id) => {
      find("search").hidePopover();
      return act(id);
    };
    this.#open = { post: closing(open.post), room: closing(open.room) };
    this.#box = new SearchBox(session, (q) => this.#search(q));
    find("search").addEventListener("toggle", ({ newState }) => newState === "open" && this.#box.enter());
    find("search-kind").addEventListener("change", () => this.#query && this.#search(this.#query.q));
    find("more-found").addEventListener("click", () => this.#load(this.#latest));
  }

  async #search(q) {
    const kind = find("search-kind").value;
    this.#query = { q, ...(kind && { kind }), limit: PAGE };
    this.#items = [];
    this.#cursor = null;
    const latest = (this.#latest = {});
    await this.#load(latest);
  }

  async #load(latest) {
    const page = await this.#session.call("search.query", { ...this.#query, ...(this.#cursor && { cursor: this.#cursor }) });
    if (latest !== this.#latest) return;
    this.#items.push(...page.items);
    this.#cursor = page.next_cursor;
    draw("found", this.#items, (item) => lineOf(item, this.#open));
    find("found-count").textContent = this.#words;
    find("more-found").hidden = this.#cursor === null;
  }

  get #words() {
    const count = this.#items.length;
    if (count === 0) return this.#cursor ? "Nothing yet" : "Nothing found";
    return `${this.#cursor ? "The first " : ""}${count} found`;
  }
}
