// One comment in a thread. Its elements stay while it changes, so that the focus does too.
import { avatar, element, nameButton, nameTag, timeOf } from "./dom.js";
import { MediaList } from "./media_list.js";
import { Reactions } from "./reactions.js";

const DEEPEST_INDENT = 6;

export class Comment {
  element;
  #reactions;
  #text = element("p", { dir: "auto" });
  #media;
  #edited = element("small");
  #buttons;
  #comment;

  /** acts: {react(comment, kind), reply(comment), edit(comment), remove(comment)}. mayEdit, mayDelete: whether the viewer may. */
  constructor(session, comment, parent, { acts, mayEdit, mayDelete }) {
    const { id, depth } = comment;
    this.#media = new MediaList(session);
    this.#reactions = new Reactions(session, "comment", id, (kind) => acts.react(this.#comment, kind));
    const button = (words, act) => element("button", { onclick: () => act(this.#comment) }, words);
    this.#buttons = element(
      "span",
      { class: "controls" },
      button("Reply", acts.reply),
      mayEdit && button("Edit", acts.edit),
      mayDelete && button("Delete", acts.remove),
    );
    this.element = element("li", { "data-id": id });
    this.element.style.setProperty("--depth", Math.min(depth, DEEPEST_INDENT));
    this.#fill(comment, parent);
    this.update(comment);
  }

  update(comment) {
    this.#comment = comment;
    if (comment.deleted) {
      this.element.replaceChildren(element("small", {}, "deleted comment"));
      return;
    }
    this.#text.textContent = comment.text;
    this.#media.show(comment.media);
    this.#edited.textContent = comment.edited_at ? "edited" : "";
    this.#reactions.show(comment.reactions, comment.viewer.reaction);
  }

  #fill({ author, created_at, deleted }, parent) {
    if (deleted) return;
    const to = parent?.author && element("small", { title: "replies to" }, "↩ ", nameTag(parent.author));
    this.element.append(
      element("header", { class: "line" }, avatar(author), nameButton(author), to, timeOf(created_at), this.#edited),
      this.#text,
      this.#media.element,
      element("footer", { class: "line" }, this.#reactions.element, this.#buttons),
    );
  }
}
