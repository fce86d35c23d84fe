// One case: what was reported, who reported it, what was done; and the decision. Contents are blurred until shown.
import { ACTIONS, DecisionForm } from "./decision_form.js";
import { element, find } from "./dom.js";
import { notify } from "./notice.js";
import { readNumber, readTime, word } from "./words.js";

export class CaseView {
  #session;
  #links;
  #shown = null; // the answer of case.get
  #acts = [];
  #isBlurred = true;
  #undone = new Set(); // ids of decisions: their acts in the history stay as they were
  #decision;

  /** links: openPerson(id), onDecided(). */
  constructor(session, links) {
    this.#session = session;
    this.#links = links;
    this.#decision = new DecisionForm(session, links.onDecided);
    this.keys = {
      c: ["claim", () => this.#claim()],
      r: ["release", () => this.#release()],
      u: ["unblur", () => this.#unblur()],
      n: ["note", () => find("case").querySelector("[name=note]")?.focus()],
      p: ["person", () => this.#shown && links.openPerson(this.#shown.summary.owner_id)],
      ...Object.fromEntries(ACTIONS.map((action, place) => [`${place + 1}`, [action, () => this.#decision.choose(action)]])),
    };
  }

  async show(id) {
    this.#isBlurred = true;
    this.#decision.begin();
    await this.#load(id);
    find("case").focus();
  }

  clear() {
    this.#shown = null;
    this.#decision.begin();
    find("case").replaceChildren();
  }

  /** What pushes say of a case, which may be the shown one. */
  hear(id, changes) {
    if (this.#shown?.summary.id !== id) return;
    this.#shown = { ...this.#shown, summary: { ...this.#shown.summary, ...changes } };
    this.#drawHead();
  }

  async #load(id) {
    const [shown, history] = await Promise.all([
      this.#session.call("case.get", { case_id: id }),
      this.#session.call("case.history", { case_id: id }),
    ]);
    this.#shown = shown;
    this.#acts = history.items;
    this.#draw();
  }

  async #claim() {
    if (!this.#shown) return;
    const summary = await this.#session.call("case.claim", { case_id: this.#shown.summary.id });
    this.hear(summary.id, summary);
  }

  async #release() {
    if (!this.#shown) return;
    const { id } = this.#shown.summary;
    await this.#session.call("case.release", { case_id: id });
    this.hear(id, { claimed_by: null, claimed_until: null });
  }

  #unblur() {
    if (!this.#shown) return;
    this.#isBlurred = !this.#isBlurred;
    this.#draw();
  }

  #draw() {
    const { summary, snapshot, appeals, reports, earlier } = this.#shown;
    find("case").dataset.case = summary.id;
    this.#decision.summary = summary;
    find("case").replaceChildren(
      element("div", { id: "case-head" }),
      this.#contents(snapshot),
      ...appeals.map((appeal) => this.#appeal(appeal)),
      element("h3", {}, word("decide")),
      this.#decision.draw(),
      element("h3", {}, `${word("reports")} (${readNumber(summary.report_count)})`),
      element("ul", {}, ...reports.map((report) => this.#report(report))),
      element("h3", {}, word("history")),
      element("ul", {}, ...this.#acts.map((act) => this.#actLine(act))),
      this.#noteForm(),
      element("h3", {}, word("earlier_cases")),
      element("ul", {}, ...earlier.map((one) => this.#earlierLine(one))),
    );
    this.#drawHead();
  }

  #drawHead() {
    const { summary, snapshot } = this.#shown;
    const { author } = snapshot;
    find("case-head").replaceChildren(
      element(
        "h2",
        summary.severity >= 3 ? { class: "severe" } : {},
        `${word(summary.target_type)} · ${word(summary.reason)}`,
      ),
      element(
        "p",
        { class: "line" },
        element(
          "button",
          { onclick: () => this.#links.openPerson(summary.owner_id) },
          element("bdi", {}, author?.username ?? summary.owner_id),
        ),
        summary.is_private && element("small", {}, word("private")),
        element("small", {}, readTime(summary.opened_at)),
        summary.due_at && element("small", { class: "severe" }, `${word("due")} ${readTime(summary.due_at)}`),
      ),
      element(
        "p",
        { class: "line", id: "claim" },
        summary.action
          ? element("strong", {}, `${word("decided")}: ${word(summary.action)}`)
          : summary.claimed_by
            ? element("span", {}, word("claimed_by"), " ", element("bdi", {}, summary.claimed_by.username))
            : element("span", {}, word("unclaimed")),
        !summary.action && element("button", { onclick: () => this.#claim() }, word("claim")),
        summary.claimed_by && element("button", { onclick: () => this.#release() }, word("release")),
      ),
    );
  }

  #contents(snapshot) {
    return element(
      "div",
      this.#isBlurred ? { id: "contents", class: "blurred" } : { id: "contents" },
      element(
        "button",
        { "aria-pressed": String(!this.#isBlurred), onclick: () => this.#unblur() },
        word(this.#isBlurred ? "show" : "blur"),
      ),
      ...this.#parts(snapshot),
    );
  }

  /** The texts and files of a snapshot. Files are loaded only when they are shown. */
  #parts(snapshot) {
    const texts = ["text", "topic", "username", "display_name", "bio"].filter((name) => snapshot[name]);
    return [
      ...texts.map((name) =>
        element(
          "div",
          this.#isBlurred ? { "aria-hidden": "true" } : {},
          element("small", {}, word(name)),
          element("blockquote", { dir: "auto", ...(!this.#isBlurred && { tabindex: "0" }) }, snapshot[name]),
        ),
      ),
      !this.#isBlurred && element("div", { class: "shots" }, ...snapshot.media.map(mediaOf)),
      this.#isBlurred && snapshot.media.length
        ? element("p", {}, `${readNumber(snapshot.media.length)} ${word("files")}`)
        : null,
    ];
  }

  /** A snapshot beside the case's own: evidence, or what the target was before. */
  #aside(label, snapshot) {
    return element(
      "div",
      {},
      element("small", {}, label),
      element("div", this.#isBlurred ? { class: "blurred" } : {}, ...this.#parts(snapshot)),
    );
  }

  #noteForm() {
    const form = element(
      "form",
      { class: "line" },
      element(
        "label",
        {},
        element("span", {}, word("note")),
        element("input", { name: "note", autocomplete: "off", maxlength: "2000", dir: "auto", required: "" }),
      ),
      element("button", {}, word("add")),
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const { id } = this.#shown.summary;
      const text = form.elements.note.value;
      await this.#session.call("case.note", { case_id: id, text, idempotency_key: crypto.randomUUID() });
      await this.#load(id);
    });
    return form;
  }

  /** What the user says against an earlier decision. An open appeal has its two answers. */
  #appeal({ id, text, status, created_at }) {
    const answer = (outcome) =>
      element("button", { "data-outcome": outcome, onclick: () => this.#answer(id, outcome) }, word(outcome));
    return element(
      "section",
      { "aria-label": word("appeal") },
      element("h3", {}, `${word("appeal")} · ${word(status)}`),
      element("small", {}, readTime(created_at)),
      element("blockquote", { dir: "auto" }, text),
      status === "open" && element("p", { class: "line" }, answer("upheld"), answer("overturned")),
    );
  }

  async #answer(appealId, outcome) {
    await this.#session.call("appeal.decide", { appeal_id: appealId, outcome });
    notify(`${word("decided")}: ${word(outcome)}`);
    this.#links.onDecided();
  }

  #report({ reporter, reason, text, weight, created_at, evidence }) {
    return element(
      "li",
      {},
      element("button", { onclick: () => this.#links.openPerson(reporter.id) }, element("bdi", {}, reporter.username)),
      ` ${word(reason)} `,
      element("small", {}, `${word("weight")} ${readNumber(Math.round(weight * 100))} % · ${readTime(created_at)}`),
      text && element("blockquote", { dir: "auto" }, text),
      ...evidence.map(({ target_type, snapshot }) => this.#aside(word(target_type), snapshot)),
    );
  }

  #actLine({ kind, actor, note, snapshot, decision, created_at }) {
    return element(
      "li",
      {},
      `${word(kind)} · `,
      actor ? element("bdi", {}, actor.username) : word("system"),
      element("small", {}, ` · ${readTime(created_at)}`),
      note && element("blockquote", { dir: "auto" }, note),
      snapshot && this.#aside(word("before"), snapshot),
      decision && this.#decisionLine(decision),
    );
  }

  #decisionLine({ decision_id, action, reason, labels, until }) {
    const facts = [word(action), word(reason), ...labels.map(word), until && `${word("until")} ${readTime(until)}`];
    return element(
      "p",
      { class: "line" },
      element("span", {}, facts.filter(Boolean).join(" · ")),
      this.#undone.has(decision_id)
        ? element("strong", {}, word("undone"))
        : element("button", { "data-undo": decision_id, onclick: () => this.#undo(decision_id) }, word("undo")),
    );
  }

  async #undo(decisionId) {
    if (!confirm(word("undo_question"))) return;
    await this.#session.call("decision.undo", { decision_id: decisionId });
    this.#undone.add(decisionId);
    notify(word("undone"));
    await this.#load(this.#shown.summary.id);
  }

  #earlierLine(one) {
    return element(
      "li",
      {},
      element(
        "button",
        { onclick: () => this.show(one.id) },
        `${word(one.target_type)} · ${word(one.reason)} · ${word(one.action ?? "open")} · ${readTime(one.opened_at)}`,
      ),
    );
  }
}

function mediaOf({ kind, alt, url }) {
  if (!url) return element("p", {}, word("file_gone"));
  if (kind === "image") return element("img", { src: url, alt: alt || word("no_description") });
  return element(kind === "video" ? "video" : "audio", { src: url, controls: "", preload: "none", "aria-label": alt || word(kind) });
}
