// One post of the feed: its text, reactions, save and share, and its comments while it is open. An open post is live.
import { avatar, element, nameButton, showCount, timeOf } from "./dom.js";
import { FeedChoice } from "./feed_choice.js";
import { withHashtags } from "./hashtags.js";
import { isUnfinished } from "./media.js";
import { MediaList } from "./media_list.js";
import { notify } from "./notice.js";
import { moved, Reactions } from "./reactions.js";
import { Thread } from "./thread.js";

export class Post {
  element;
  #session;
  #me;
  #post;
  #thread = null; // while the post is open
  #awaitsFiles = false; // watched because of files that the server still worked on
  #media;
  #text = element("p", { dir: "auto" });
  #edited = element("small");
  #reactions;
  #comments = element("button", { class: "comments-of", "aria-expanded": "false", onclick: () => this.#toggle() });
  #save = element("button", { class: "save", onclick: () => this.#keep() });
  #share = element("button", { class: "share-it", onclick: () => this.#pass() });

  /** onHidden(): called once the viewer has hidden the post from the feed. */
  constructor(session, me, post, onHidden) {
    this.#session = session;
    this.#me = me;
    this.#media = new MediaList(session);
    this.#reactions = new Reactions(session, "post", post.id, (kind) => this.#react(kind));
    const choice = new FeedChoice(session, post.id, post.author.id !== me.id, onHidden);
    this.element = element(
      "li",
      { "data-id": post.id },
      headerOf(post, this.#edited),
      this.#text,
      this.#media.element,
      post.is_share && original(session, post.shared),
      element("footer", { class: "line" }, this.#reactions.element, this.#comments, this.#save, this.#share, ...choice.buttons),
      choice.element,
    );
    this.show(post);
  }

  get id() {
    return this.#post.id;
  }

  get author() {
    return this.#post.author;
  }

  get isOpen() {
    return this.#thread !== null;
  }

  get isWatched() {
    return this.isOpen || this.#awaitsFiles;
  }

  /** Show the post as it is now. */
  show(post) {
    this.#post = { ...post, viewer: post.viewer ?? this.#post.viewer };
    const { text, media, edited_at, counts, viewer } = this.#post;
    if (this.#text.textContent !== text) this.#text.replaceChildren(...withHashtags(text));
    this.#media.show(media);
    if (!this.#awaitsFiles && media.some(isUnfinished)) this.#awaitFiles();
    this.#edited.textContent = edited_at ? "edited" : "";
    this.#reactions.show(counts.reactions, viewer.reaction);
    showCount(this.#comments, "💬", "comments", counts.comments);
    showCount(this.#save, "🔖", "save", counts.saves);
    this.#save.ariaPressed = String(viewer.saved);
    showCount(this.#share, "🔁", "share", counts.shares);
  }

  /** Show new counts, unless newer ones are shown. */
  count({ counts, version }) {
    if (version > this.#post.counts_version) this.show({ ...this.#post, counts, counts_version: version });
  }

  /** Apply a push about a comment. */
  hear(name, push) {
    this.#thread?.hear(name, push);
  }

  /** The viewer's reaction to the post, or to a comment on it, is now this one. */
  react({ target_type, target_id, kind }) {
    if (target_type === "comment") this.#thread?.react(target_id, kind);
    else if (target_id === this.id) this.#react(kind);
  }

  /** The viewer has saved the post, or no longer. */
  keep(saved) {
    this.show({ ...this.#post, viewer: { ...this.#post.viewer, saved } });
  }

  async open() {
    this.#leaveThread();
    const thread = (this.#thread = new Thread(this.#session, this.#me, this.#post));
    this.element.append(thread.element);
    this.#comments.ariaExpanded = "true";
    this.show(await this.#session.call("post.watch", { post_id: this.id }));
    if (thread === this.#thread) await thread.load();
  }

  /** Watch the post again, after a new connection. */
  async rejoin() {
    if (this.isOpen) await this.open();
    else await this.#awaitFiles();
  }

  /** The post is not shown any more. */
  async leave() {
    this.#awaitsFiles = false;
    await this.#close();
  }

  async #close() {
    this.#leaveThread();
    if (!this.isWatched) await this.#session.call("post.unwatch", { post_id: this.id });
  }

  /** Only users who watch a post get pushes about its files. */
  async #awaitFiles() {
    this.#awaitsFiles = true;
    this.show(await this.#session.call("post.watch", { post_id: this.id }));
  }

  #react(kind) {
    const { counts, viewer } = this.#post;
    // Pushes bring the counts of an open post only.
    const reactions = this.isOpen ? counts.reactions : moved(counts.reactions, viewer.reaction, kind);
    this.show({ ...this.#post, counts: { ...counts, reactions }, viewer: { ...viewer, reaction: kind } });
  }

  #leaveThread() {
    this.#thread?.element.remove();
    this.#thread = null;
    this.#comments.ariaExpanded = "false";
  }

  #toggle() {
    return this.isOpen ? this.#close() : this.open();
  }

  async #keep() {
    const saved = !this.#post.viewer.saved;
    await this.#session.call(saved ? "save.add" : "save.remove", { post_id: this.id });
    this.keep(saved);
  }

  async #pass() {
    await this.#session.call("share.create", { post_id: this.id, idempotency_key: crypto.randomUUID() });
    notify("Shared with your followers");
  }
}

/** The post that was shared; null: the viewer may not see it. */
function original(session, post) {
  if (!post) return element("blockquote", {}, "not available");
  const media = new MediaList(session);
  media.show(post.media);
  return element("blockquote", {}, headerOf(post), element("p", { dir: "auto" }, ...withHashtags(post.text)), media.element);
}

const headerOf = ({ author, created_at }, ...more) =>
  element("header", { class: "line" }, avatar(author), nameButton(author), timeOf(created_at), ...more);
