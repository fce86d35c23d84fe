// The feed, newest first or ranked: loaded once, then live. Only posts that are open or have unfinished files are watched.
import { Attachments } from "./attachments.js";
import { CHANGING } from "./comment_tree.js";
import { draw, find, onSubmit } from "./dom.js";
import { notify } from "./notice.js";
import { Post } from "./post.js";
import { chooseTab } from "./tabs.js";

const SHOWN = 50;
const NEWEST = 5; // posts of a user who has just been followed

export class Feed {
  #session;
  #me;
  #posts = new Map(); // by id
  #places = new Map(); // by id, of posts of a ranked feed; others are above them, newest first
  #opened; // the id of the post that was opened last, however old it is

  constructor(session) {
    this.#session = session;
    const attachments = new Attachments(session, find("compose"));
    onSubmit(find("compose"), async (text) => {
      const media_ids = await attachments.upload();
      this.#add([await session.call("post.create", { text, media_ids, idempotency_key: crypto.randomUUID() })]);
      attachments.clear();
    });
    // The push only names the post, so load it; the server checks who may see it.
    session.on("feed.added", async ({ post_id }) => this.#add([await session.call("post.get", { post_id })]));
    for (const name of ["feed.removed", "post.deleted"]) {
      session.on(name, ({ post_id }) => this.#keep(({ id }) => id !== post_id));
    }
    session.on("post.edited", ({ post }) => this.#posts.get(post.id)?.show(post));
    session.on("post.counted", (push) => this.#posts.get(push.post_id)?.count(push));
    session.on("save.changed", ({ post_id, saved }) => this.#posts.get(post_id)?.keep(saved));
    session.on("reaction.changed", (push) => this.#posts.forEach((post) => post.react(push)));
    find("feed-mode").addEventListener("change", () => this.load(this.#me));
    find("reset-feed").addEventListener("click", () => this.#reset());
    for (const name of CHANGING) {
      session.on(name, (push) => this.#posts.get(push.post_id ?? push.comment.post_id)?.hear(name, push));
    }
  }

  async load(me) {
    this.#me = me;
    const mode = find("feed-mode").value;
    const { items } = await this.#session.call("feed.get", { mode, limit: SHOWN });
    if (mode !== find("feed-mode").value) return; // the viewer has changed it meanwhile
    this.#places = new Map(mode === "ranked" ? items.map(({ post }, place) => [post.id, place]) : []);
    this.#keep(({ id }) => items.some(({ post }) => post.id === id));
    this.#add(items.map(({ post }) => post));
    // A new connection watches nothing yet.
    await Promise.all([...this.#posts.values()].filter(({ isWatched }) => isWatched).map((post) => post.rejoin()));
  }

  /** Add posts from the user's own list at once, because workers add them to the feed a moment later. */
  async include(author) {
    const { items } = await this.#session.call("post.list", { user_id: author.id, limit: NEWEST });
    this.#add(items);
  }

  leaveOut(author) {
    this.#keep((post) => post.author.id !== author.id);
  }

  /** Open a post, wherever it is from. */
  async open(postId) {
    this.#opened = postId;
    this.#add([await this.#session.call("post.get", { post_id: postId })]);
    chooseTab("feed");
    const post = this.#posts.get(postId);
    post?.element.scrollIntoView({ block: "nearest" });
    if (post && !post.isOpen) await post.open();
  }

  #hide(post) {
    this.#keep(({ id }) => id !== post.id);
    notify("You will see less like this");
  }

  /** Forget what the viewer hides and likes; what was hidden is shown again. */
  async #reset() {
    await this.#session.call("feed.reset");
    await this.load(this.#me);
    notify("Your feed begins anew");
  }

  #add(posts) {
    for (const post of posts) {
      const shown = this.#posts.get(post.id);
      if (shown) shown.show(post);
      else this.#posts.set(post.id, new Post(this.#session, this.#me, post, () => this.#hide(post)));
    }
    const first = this.#ordered().slice(0, SHOWN);
    this.#keep((post) => first.includes(post) || post.id === this.#opened);
  }

  #keep(isWanted) {
    for (const post of this.#posts.values()) {
      if (isWanted(post)) continue;
      if (post.isWatched) post.leave();
      this.#posts.delete(post.id);
    }
    this.#show();
  }

  #show() {
    draw("posts", this.#ordered(), ({ element }) => element);
  }

  #ordered() {
    const placeOf = ({ id }) => this.#places.get(id) ?? -1;
    return [...this.#posts.values()].sort((one, other) => placeOf(one) - placeOf(other) || newestFirst(one, other));
  }
}

/** Compare ids as BigInt, because they are too long for numbers. */
const newestFirst = (one, other) => (BigInt(one.id) < BigInt(other.id) ? 1 : -1);
