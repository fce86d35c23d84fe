// The feed, newest first: loaded once, then live.
import { avatar, draw, element, find, nameButton, onSubmit, timeOf } from "./dom.js";

const SHOWN = 50;
const NEWEST = 5; // posts of a user who has just been followed

export class Feed {
  #session;
  #posts = []; // newest first

  constructor(session) {
    this.#session = session;
    onSubmit(find("compose"), async (text) => {
      this.#add([await session.call("post.create", { text, idempotency_key: crypto.randomUUID() })]);
    });
    // The push only names the post, so load it; the server checks who may see it.
    session.on("feed.added", async ({ post_id }) => this.#add([await session.call("post.get", { post_id })]));
    session.on("feed.removed", ({ post_id }) => this.#keep(({ id }) => id !== post_id));
  }

  async load() {
    const { items } = await this.#session.call("feed.get", { mode: "latest", limit: SHOWN });
    this.#posts = items.map(({ post }) => post);
    this.#show();
  }

  /** Add posts from the user's own list at once, because workers add them to the feed a moment later. */
  async include(author) {
    const { items } = await this.#session.call("post.list", { user_id: author.id, limit: NEWEST });
    this.#add(items);
  }

  leaveOut(author) {
    this.#keep((post) => post.author.id !== author.id);
  }

  #add(posts) {
    const byId = new Map([...this.#posts, ...posts].map((post) => [post.id, post]));
    this.#posts = [...byId.values()].sort(newestFirst).slice(0, SHOWN);
    this.#show();
  }

  #keep(isWanted) {
    this.#posts = this.#posts.filter(isWanted);
    this.#show();
  }

  #show() {
    draw("posts", this.#posts, article);
  }
}

function article(post) {
  return element(
    "li",
    { "data-id": post.id },
    element("header", { class: "line" }, avatar(post.author), nameButton(post.author), timeOf(post.created_at)),
    element("p", { dir: "auto" }, post.text),
  );
}

/** Compare ids as BigInt, because they are too long for numbers. */
const newestFirst = (one, other) => (BigInt(one.id) < BigInt(other.id) ? 1 : -1);
