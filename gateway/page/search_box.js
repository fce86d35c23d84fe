// The field of a search, a combobox: suggestions for what is typed, recent searches while it is empty.
import { avatar, element, find } from "./dom.js";

const TYPING_PAUSE_MS = 150;
const RECENT_SHOWN = 10;

export class SearchBox {
  #session;
  #search;
  #form = find("search-form");
  #field = find("search-form").elements.q;
  #list = find("suggestions");
  #chosen = -1; // place of the option that Enter takes
  #latest; // the newest question: answers to earlier ones are not shown
  #pause;

  /** search(q): called with the text that the viewer submits or chooses. */
  constructor(session, search) {
    this.#session = session;
    this.#search = search;
    this.#field.addEventListener("input", () => {
      clearTimeout(this.#pause);
      this.#close();
      this.#pause = setTimeout(() => this.#suggest(), TYPING_PAUSE_MS);
    });
    this.#field.addEventListener("keydown", (event) => this.#press(event));
    this.#list.addEventListener("mousedown", (event) => event.preventDefault()); // the focus stays in the field
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    find("clear-searches").addEventListener("click", async () => {
      await session.call("search.clear");
      this.#field.focus();
      this.#close();
      find("clear-searches").hidden = true;
    });
  }

  /** The panel has been opened. */
  async enter() {
    this.#field.focus();
    if (!this.#field.value) await this.#suggest();
  }

  async #suggest() {
    const latest = (this.#latest = {});
    const q = this.#field.value.trim();
    const isRecent = q === "";
    const { items } = await this.#session.call(...(isRecent ? ["search.recent"] : ["search.suggest", { q }]));
    if (latest !== this.#latest || document.activeElement !== this.#field) return;
    if (isRecent) find("clear-searches").hidden = items.length === 0;
    this.#show(isRecent ? items.slice(0, RECENT_SHOWN).map((item) => ({ kind: "recent", text: item.q })) : items);
  }

  #show(suggestions) {
    this.#list.replaceChildren(...suggestions.map((suggestion, place) => this.#option(suggestion, place)));
    this.#list.hidden = suggestions.length === 0;
    this.#field.ariaExpanded = String(!this.#list.hidden);
    this.#choose(-1);
  }

  #close() {
    this.#latest = null;
    this.#show([]);
  }

  #option({ kind, text, user }, place) {
    const search = () => {
      this.#field.value = text;
      return this.#submit();
    };
    const whole = { id: `suggestion-${place}`, role: "option", class: "line", "data-kind": kind };
    // A click on an element with a person opens the card.
    if (user) {
      const name = element("bdi", {}, user.display_name || user.username);
      return element("li", { ...whole, "data-person": user.id }, avatar(user), name, element("small", {}, `@${text}`));
    }
    return element("li", { ...whole, onclick: search }, kind === "recent" && "↺", element("bdi", {}, text));
  }

  #choose(place) {
    this.#chosen = place;
    for (const [each, option] of [...this.#list.children].entries()) option.ariaSelected = String(each === place);
    const option = this.#list.children[place];
    if (option) this.#field.setAttribute("aria-activedescendant", option.id);
    else this.#field.removeAttribute("aria-activedescendant");
    option?.scrollIntoView({ block: "nearest" });
  }

  #press(event) {
    const count = this.#list.children.length;
    const act = {
      ArrowDown: () => (count ? this.#choose((this.#chosen + 2) % (count + 1) - 1) : this.#suggest()),
      ArrowUp: () => count && this.#choose(((this.#chosen + count + 1) % (count + 1)) - 1),
      Enter: this.#chosen >= 0 && (() => this.#list.children[this.#chosen].click()),
      Escape: count > 0 && (() => this.#close()), // the next Escape closes the panel
    }[event.key];
    // Not on each blur: the panel would shift under a click.
    if (event.key === "Tab") this.#close();
    if (!act || event.isComposing) return;
    event.preventDefault();
    act();
  }

  async #submit() {
    clearTimeout(this.#pause);
    this.#close();
    const q = this.#field.value.trim();
    if (q) await this.#search(q);
  }
}
