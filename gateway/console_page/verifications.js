// Users who ask to be verified, the oldest request first. Each view of documents is in the audit trail.
import { element, find } from "./dom.js";
import { notify } from "./notice.js";
import { readNumber, readTime, word } from "./words.js";

export class Verifications {
  #session;

  constructor(session) {
    this.#session = session;
  }

  async load() {
    find("request").replaceChildren();
    const { items, next_cursor } = await this.#session.call("verification.list");
    find("request-state").textContent = items.length
      ? `${readNumber(items.length)}${next_cursor ? "+" : ""} ${word("requests_waiting")}`
      : word("no_requests");
    find("requests").replaceChildren(
      ...items.map((request) =>
        element(
          "li",
          {},
          element(
            "button",
            { "data-request": request.id, onclick: () => this.#open(request) },
            element("bdi", {}, request.user.username),
            element("small", {}, readTime(request.requested_at)),
          ),
        ),
      ),
    );
  }

  async #open({ id, user }) {
    const { items } = await this.#session.call("verification.documents", { verification_id: id });
    const form = element(
      "form",
      { id: "verification" },
      element(
        "label",
        { class: "field" },
        element("span", {}, word("told_to_user")),
        element("input", { name: "told", autocomplete: "off", maxlength: "200", dir: "auto" }),
      ),
      element("button", { value: "approved" }, word("approve")),
      " ",
      element("button", { value: "refused" }, word("refuse")),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      return this.#decide(id, event.submitter.value, form.elements.told.value.trim());
    });
    find("request").replaceChildren(
      element("h2", {}, element("bdi", {}, user.username)),
      element("h3", {}, word("documents")),
      element("div", { class: "shots" }, ...items.map(documentOf)),
      form,
    );
    find("request").focus();
  }

  async #decide(id, decision, reason) {
    const { state } = await this.#session.call("verification.decide", { verification_id: id, decision, reason });
    notify(`${word("decided")}: ${word(state === "approved" ? "approve" : "refuse")}`);
    await this.load();
  }
}

function documentOf({ alt, variants }) {
  const [largest] = variants.toSorted((a, b) => b.width - a.width);
  if (!largest) return element("p", {}, word("file_gone"));
  return element("img", { src: largest.url, alt: alt || word("no_description") });
}
