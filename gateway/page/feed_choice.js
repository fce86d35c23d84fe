// Under a post of the feed: why the viewer sees it, and "less like this".
import { element } from "./dom.js";

const TERMS = {
  affinity: "closeness to the author",
  quality: "quality of the post",
  freshness: "freshness",
  diversity: "variety",
  negatives: "what you want less of",
};
const SOURCES = {
  follow: "You follow its author",
  mention: "It mentions you",
  second_degree: "People whom you follow like it",
  trend: "It trends",
  similar: "It is similar to what you like",
  exploration: "It is something new to try",
};
const REASONS = {
  not_interested: "Not interested",
  seen_too_often: "Seen too often",
  topic: "Less of this topic",
  author: "Less of this author",
  spam: "Spam",
};

export class FeedChoice {
  element = element("div", { class: "choice" });
  buttons;
  #session;
  #postId;
  #shown = null; // the button whose panel is shown

  /** onHidden(): called once the server has hidden the post. mayHide: whether "less like this" is offered. */
  constructor(session, postId, mayHide, onHidden) {
    this.#session = session;
    this.#postId = postId;
    const button = (words, make) => {
      const made = element("button", { "aria-expanded": "false", onclick: () => this.#toggle(made, make) }, words);
      return made;
    };
    const hide = async (reason) => {
      await session.call("feed.hide", { post_id: postId, reason });
      onHidden();
    };
    this.buttons = [button("Why?", () => this.#why()), mayHide && button("Less like this", () => reasonsOf(hide))];
    this.buttons[0].ariaLabel = this.buttons[0].title = "Why am I seeing this?";
  }

  async #toggle(button, make) {
    const previous = this.#shown;
    this.#shown = null;
    this.element.replaceChildren();
    if (previous) previous.ariaExpanded = "false";
    if (previous === button) return;
    this.#shown = button;
    button.ariaExpanded = "true";
    const made = await make();
    if (this.#shown === button) this.element.replaceChildren(made);
  }

  async #why() {
    const { terms, score, source, reasons } = await this.#session.call("feed.why", { post_id: this.#postId });
    return element(
      "div",
      { class: "why-shown", role: "group", "aria-label": "Why am I seeing this?" },
      element("p", {}, SOURCES[source] ?? "It is not in your feed now"),
      element("ul", {}, ...Object.entries(TERMS).map(([name, words]) => bar(name, words, terms[name]))),
      element("small", {}, `score ${score.toFixed(2)}`),
      element("ul", {}, ...reasons.map((reason) => element("li", { dir: "auto" }, reason))),
    );
  }
}

/** share: of the whole, 0 to 1. */
function bar(name, words, share) {
  const drawn = element("span", { class: "share", "data-term": name });
  drawn.style.setProperty("--share", share);
  return element("li", { class: "line" }, element("span", {}, words), element("small", {}, share.toFixed(2)), drawn);
}

const reasonsOf = (hide) =>
  element(
    "div",
    { class: "line", role: "group", "aria-label": "Less like this, because" },
    ...Object.entries(REASONS).map(([reason, words]) => element("button", { onclick: () => hide(reason) }, words)),
  );
