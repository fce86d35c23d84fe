// The comments on a post that this page has loaded, in the order of the tree; where replies are folded; pushes since.

const MOST = 500; // new comments beyond it are left out

const CHANGES = {
  "comment.created": (tree, { comment }) => tree.add(comment, true),
  "comment.edited": (tree, { comment }) => tree.has(comment.id) && tree.add(comment),
  "comment.deleted": (tree, { comment_id }) => tree.change(comment_id, { deleted: true, author: null, text: null }),
  "comment.counted": (tree, push) => tree.count(push),
};

export const CHANGING = Object.keys(CHANGES);

export class CommentTree {
  #comments = new Map(); // by id
  #folded = new Map(); // parent's id (null: the post) → how many direct replies are not loaded
  #cursors = new Map(); // parent's id → where its next page begins

  /** Add an answer of comment.list about the replies to `parentId`. */
  addPage(parentId, { items, more, next_cursor }) {
    for (const comment of items) {
      this.add(comment);
      this.#folded.set(comment.id, more[comment.id] ?? 0);
    }
    this.#cursors.set(parentId, next_cursor);
    const loaded = [...this.#comments.values()].filter((comment) => comment.parent_id === parentId).length;
    const all = this.#comments.get(parentId)?.reply_count ?? Infinity;
    this.#folded.set(parentId, next_cursor ? Math.max(1, all - loaded) : 0);
  }

  /** Where the next page of replies to `parentId` begins. */
  cursor(parentId) {
    return this.#cursors.get(parentId) ?? null;
  }

  /** Apply a push with that name. */
  apply(name, push) {
    CHANGES[name](this, push);
  }

  has(id) {
    return this.#comments.has(id);
  }

  /** Add a comment or its new text. isNew: leave it out if its parent is folded away. */
  add(comment, isNew = false) {
    if (isNew && (this.#comments.size >= MOST || (comment.parent_id !== null && !this.has(comment.parent_id)))) return;
    const known = this.#comments.get(comment.id);
    const viewer = comment.viewer ?? known?.viewer ?? { reaction: null };
    this.#comments.set(comment.id, { ...comment, viewer });
  }

  change(id, changed) {
    const comment = this.#comments.get(id);
    if (comment) this.#comments.set(id, { ...comment, ...changed });
  }

  count({ comment_id, reply_count, reactions, version }) {
    const counted = this.#comments.get(comment_id)?.counts_version ?? Infinity;
    if (version > counted) this.change(comment_id, { reply_count, reactions, counts_version: version });
  }

  /** What to draw: {comment, parent?}, and {parentId, count, depth} where `count` replies are folded. */
  get lines() {
    const oldestFirst = [...this.#comments.values()].sort((one, other) => Number(BigInt(one.id) - BigInt(other.id)));
    const replies = Map.groupBy(oldestFirst, (comment) => comment.parent_id);
    const under = (parent) => {
      const parentId = parent?.id ?? null;
      const comments = replies.get(parentId) ?? [];
      const lines = (parent ? comments : comments.reverse()).flatMap((comment) => {
        const below = under(comment);
        // A deleted comment only keeps the place of its replies.
        return comment.deleted && below.length === 0 ? [] : [{ comment, parent }, ...below];
      });
      const count = this.#folded.get(parentId) ?? 0;
      if (count > 0) lines.push({ parentId, count, depth: parent ? parent.depth + 1 : 0 });
      return lines;
    };
    return under(null);
  }
}
