// The viewer's saved posts, all or those of one collection. They are loaded while the panel is open.
import { draw, element, find, onSubmit } from "./dom.js";
import { excerptOf } from "./excerpt.js";

const SHOWN = 50;
const MOST_COLLECTIONS = 100;

export class Saves {
  #session;
  #open;
  #collections = [];
  #latest; // names the load that began last
  #shown = ""; // the collection's id; empty: all saved posts

  /** open(postId): shows the post with its comments. */
  constructor(session, open) {
    this.#session = session;
    this.#open = open;
    session.on("save.changed", () => this.load());
    find("saves").addEventListener("toggle", () => this.load());
    find("shown-collection").addEventListener("change", ({ target }) => {
      this.#shown = target.value;
      return this.load();
    });
    onSubmit(find("name-collection"), (name) => this.#name(name));
    find("delete-collection").addEventListener("click", () => this.#delete());
  }

  async load() {
    if (!find("saves").matches(":popover-open")) return;
    const latest = (this.#latest = {});
    this.#collections = (await this.#session.call("collection.list", { limit: MOST_COLLECTIONS })).items;
    if (!this.#collections.some(({ id }) => id === this.#shown)) this.#shown = ""; // another device has deleted it
    const which = this.#shown && { collection_id: this.#shown };
    const posts = await this.#session.call("save.list", { limit: SHOWN, ...which });
    if (latest !== this.#latest) return; // loaded again meanwhile
    this.#show(posts.items);
  }

  /** Rename the shown collection; create one if all posts are shown. */
  async #name(name) {
    if (this.#shown) {
      await this.#session.call("collection.update", { collection_id: this.#shown, name });
    } else {
      const created = { name, idempotency_key: crypto.randomUUID() };
      this.#shown = (await this.#session.call("collection.create", created)).id;
    }
    await this.load();
  }

  async #delete() {
    await this.#session.call("collection.delete", { collection_id: this.#shown });
    this.#shown = "";
    await this.load();
  }

  #show(saved) {
    draw("shown-collection", [{ id: "", name: "All saved posts" }, ...this.#collections], option);
    find("shown-collection").value = this.#shown;
    find("delete-collection").hidden = !this.#shown;
    const { name: field } = find("name-collection").elements;
    field.placeholder = field.ariaLabel = this.#shown ? "New name of the collection" : "Name of a new collection";
    find("name-collection").querySelector("button").textContent = this.#shown ? "Rename" : "Create";
    draw("saved-posts", saved, ({ post }) => this.#line(post));
    for (const [place, { collection_id }] of saved.entries()) {
      find("saved-posts").children[place].querySelector("select").value = collection_id ?? "";
    }
  }

  #line(post) {
    const move = ({ target }) => {
      const place = target.value && { collection_id: target.value };
      return this.#session.call("save.add", { post_id: post.id, ...place });
    };
    const places = [{ id: "", name: "no collection" }, ...this.#collections];
    const remove = () => this.#session.call("save.remove", { post_id: post.id });
    const open = () => {
      find("saves").hidePopover();
      return this.#open(post.id);
    };
    return element(
      "li",
      { "data-id": post.id },
      ...excerptOf(post, open),
      element(
        "div",
        { class: "line" },
        element("select", { "aria-label": "collection of the post", autocomplete: "off", onchange: move }, ...places.map(option)),
        element("button", { onclick: remove }, "Remove"),
      ),
    );
  }
}

const option = ({ id, name }) => element("option", { value: id }, name);
