// The feed, newest first: loaded once, then live.
import { avatar, draw, element, find, nameTag, onSubmit, timeOf } from "./dom.js";

const SHOWN = 50;

export class Feed {
  #session;
  #posts = []; // newest first

  constructor(session) {
    this.#session = session;
    onSubmit(find("compose"), async (text) => {
      this.#add(await session.call("post.create", { text, idempotency_key: crypto.randomUUID() }));
    });
    // The push only says that there is a post; the post itself is for those who may see it.
    session.on("feed.added", async ({ post_id }) => this.#add(await session.call("post.get", { post_id })));
    session.on("feed.removed", ({ post_id }) => this.#remove(post_id));
  }

  async load() {
    const { items } = await this.#session.call("feed.get", { mode: "latest", limit: SHOWN });
    this.#posts = items.map(({ post }) => post);
    this.#show();
  }

  #add(post) {
    const others = this.#posts.filter(({ id }) => id !== post.id);
    this.#posts = [post, ...others].sort(newestFirst).slice(0, SHOWN);
    this.#show();
  }

  #remove(postId) {
    this.#posts = this.#posts.filter(({ id }) => id !== postId);
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
    element("header", { class: "line" }, avatar(post.author), nameTag(post.author), timeOf(post.created_at)),
    element("p", { dir: "auto" }, post.text),
  );
}

/** Ids are too long for numbers. */
const newestFirst = (one, other) => (BigInt(one.id) < BigInt(other.id) ? 1 : -1);
