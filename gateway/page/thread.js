// The comments under an open post: loaded page by page, then live.
import { Comment } from "./comment.js";
import { CommentTree } from "./comment_tree.js";
import { Composer } from "./composer.js";
import { draw, element, nameTag } from "./dom.js";

const PAGE = 10;
const LONGEST = 2_000;
const FILES = { most: 1, accept: "image/*" };

export class Thread {
  element;
  #session;
  #me;
  #post;
  #tree = new CommentTree();
  #list = element("ol", { class: "comments", "aria-label": "Comments" });
  #composer;
  #drawn = new Map(); // by comment id
  #early = []; // pushes that overtake the first page

  constructor(session, me, post) {
    this.#session = session;
    this.#me = me;
    this.#post = post;
    this.#composer = new Composer(session, "Write a comment", LONGEST, FILES, (...draft) => this.#add(draft));
    this.element = element("section", { class: "thread" }, this.#list, this.#composer.element);
  }

  async load() {
    try {
      await this.#loadUnder(null);
    } finally {
      for (const [name, push] of this.#early) this.#tree.apply(name, push);
      this.#early = null;
      this.#show();
    }
  }

  /** Apply a push of comment_tree.js about this post. */
  hear(name, push) {
    if (this.#early) {
      this.#early.push([name, push]);
      return;
    }
    this.#tree.apply(name, push);
    this.#show();
  }

  /** The viewer's reaction to a comment is now `kind`. */
  react(commentId, kind) {
    this.#tree.change(commentId, { viewer: { reaction: kind } });
    this.#show();
  }

  async #loadUnder(parentId) {
    const cursor = this.#tree.cursor(parentId);
    const where = { post_id: this.#post.id, limit: PAGE, ...(parentId && { parent_id: parentId }), ...(cursor && { cursor }) };
    this.#tree.addPage(parentId, await this.#session.call("comment.list", where));
    this.#show();
  }

  async #add([text, media_ids], parent) {
    const argument = { post_id: this.#post.id, text, media_ids, idempotency_key: crypto.randomUUID() };
    this.#change(await this.#session.call("comment.create", { ...argument, ...(parent && { parent_id: parent.id }) }));
  }

  #reply(comment) {
    this.#composer.reply(["Reply to ", nameTag(comment.author)], (...draft) => this.#add(draft, comment));
  }

  #edit({ id, text }) {
    this.#composer.edit(["Edit your comment"], text, async (changed) => {
      this.#change(await this.#session.call("comment.edit", { comment_id: id, text: changed }));
    });
  }

  async #remove({ id }) {
    await this.#session.call("comment.delete", { comment_id: id });
    this.#tree.change(id, { deleted: true });
    this.#show();
  }

  #change(comment) {
    this.#tree.add(comment);
    this.#show();
  }

  #show() {
    draw(this.#list, this.#tree.lines, (line) => (line.comment ? this.#lineOf(line) : this.#fold(line)));
  }

  #lineOf({ comment, parent }) {
    const { id, author } = comment;
    const drawn = this.#drawn.get(id) ?? this.#make(comment, parent, author?.id === this.#me.id);
    this.#drawn.set(id, drawn);
    drawn.update(comment);
    return drawn.element;
  }

  #make(comment, parent, isMine) {
    return new Comment(this.#session, comment, parent, {
      acts: {
        react: ({ id }, kind) => this.react(id, kind),
        reply: (latest) => this.#reply(latest),
        edit: (latest) => this.#edit(latest),
        remove: (latest) => this.#remove(latest),
      },
      mayEdit: isMine,
      mayDelete: isMine || this.#post.author.id === this.#me.id,
    });
  }

  #fold({ parentId, count, depth }) {
    const words = parentId === null ? "More comments" : `${count} more ${count === 1 ? "reply" : "replies"}`;
    const line = element("li", {}, element("button", { class: "fold", onclick: () => this.#loadUnder(parentId) }, words));
    line.style.setProperty("--depth", Math.min(depth, 6));
    if (parentId) line.dataset.under = parentId;
    return line;
  }
}
