// The page of a hashtag in the explore tab: how many posts it has, and the posts by pages.
import { draw, element, find } from "./dom.js";
import { excerptOf } from "./excerpt.js";

const PAGE = 10;

export class HashtagPage {
  #session;
  #open;
  #latest; // the newest list: answers for earlier ones are not shown
  #which;
  #posts = [];
  #cursor = null;

  /** open(postId): shows a post in the feed. */
  constructor(session, open) {
    this.#session = session;
    this.#open = open;
    find("hashtag-mode").addEventListener("change", () => this.#list());
    find("more-of-hashtag").addEventListener("click", () => this.#load(this.#latest));
    find("close-hashtag").addEventListener("click", () => (find("hashtag").hidden = true));
  }

  async open(tag) {
    this.#which = { tag };
    find("hashtag-name").textContent = `#${tag}`;
    find("hashtag-count").textContent = "";
    find("hashtag").hidden = false;
    await this.#list();
  }

  async #list() {
    const latest = (this.#latest = {});
    const { tag } = this.#which;
    this.#which = { tag, mode: find("hashtag-mode").value, limit: PAGE };
    this.#posts = [];
    this.#cursor = null;
    const [{ post_count }] = await Promise.all([this.#session.call("hashtag.get", { tag }), this.#load(latest)]);
    if (latest !== this.#latest) return;
    const count = post_count >= 1_000 ? "1,000 or more" : post_count;
    find("hashtag-count").textContent = post_count === 1 ? "1 post" : `${count} posts`;
  }

  async #load(latest) {
    const page = await this.#session.call("hashtag.posts", { ...this.#which, ...(this.#cursor && { cursor: this.#cursor }) });
    if (latest !== this.#latest) return;
    this.#posts.push(...page.items);
    this.#cursor = page.next_cursor;
    draw("hashtag-posts", this.#posts, (post) => element("li", { "data-id": post.id }, ...excerptOf(post, this.#open)));
    find("more-of-hashtag").hidden = this.#cursor === null;
  }
}
