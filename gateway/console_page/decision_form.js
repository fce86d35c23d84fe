// The form by which a moderator decides a case: an action, and what that action needs.
import { choice, REASONS } from "./choice.js";
import { element, find } from "./dom.js";
import { notify } from "./notice.js";
import { readNumber, word } from "./words.js";

// In the order of the keys 1 to 9.
export const ACTIONS = ["approve", "warn", "label", "limit", "shadow", "hold", "remove", "suspend", "ban"];
// Types of which only these actions are possible.
const ONLY = {
  user: new Set(["approve", "warn", "suspend", "ban"]),
  room_message: new Set(["approve", "warn", "remove"]),
};
const TIMED = new Set(["label", "limit", "shadow", "remove", "suspend"]);
const LABELS = ["sensitive", "violence", "sexual", "spoiler", "misleading", "graphic"];
const DAYS = ["", "1", "3", "7", "30", "90"];
const DAY_MS = 24 * 3_600_000;

const inDays = (days) => (days ? `${readNumber(Number(days))} ${word("days")}` : word("indefinitely"));

export class DecisionForm {
  summary = null; // of the case
  #session;
  #onDecided;
  #action = null;

  constructor(session, onDecided) {
    this.#session = session;
    this.#onDecided = onDecided;
  }

  /** Forget the case and the chosen action. */
  begin() {
    this.summary = null;
    this.#action = null;
  }

  choose(action) {
    if (this.summary?.status !== "open" || !this.#offers().includes(action)) return;
    this.#action = action;
    find("decision").replaceWith(this.draw());
    find("decision").querySelector("select").focus();
  }

  #offers() {
    const only = ONLY[this.summary.target_type];
    return ACTIONS.filter((action) =>
      only ? only.has(action) : !["hold", "suspend", "ban"].includes(action),
    );
  }

  /** The form; with a chosen action, also the fields of that action. */
  draw() {
    if (this.summary.status !== "open") return element("p", {}, word("decided"));
    const buttons = this.#offers().map((action) =>
      element(
        "button",
        {
          type: "button",
          "data-action": action,
          "aria-pressed": String(action === this.#action),
          onclick: () => this.choose(action),
        },
        element("kbd", {}, `${ACTIONS.indexOf(action) + 1}`),
        " ",
        word(action),
      ),
    );
    const form = element("form", { id: "decision" }, element("p", { class: "line" }, ...buttons));
    if (this.#action) form.append(...this.#details());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#decide(new FormData(form), form.querySelector("[type=submit]"));
    });
    return form;
  }

  #details() {
    const reason = choice("reason", REASONS, this.summary.reason);
    const parts = [reason];
    if (TIMED.has(this.#action)) parts.push(choice("days", DAYS, this.#action === "suspend" ? "7" : "", { text: inDays, label: "duration" }));
    const labels =
      this.#action === "label" &&
      element(
        "fieldset",
        { class: "line" },
        element("legend", {}, word("labels")),
        ...LABELS.map((label) =>
          element("label", {}, element("input", { type: "checkbox", name: "labels", value: label }), " ", word(label)),
        ),
      );
    return [
      element("p", { class: "line" }, ...parts),
      ...(labels ? [labels] : []),
      element(
        "label",
        {},
        element("span", {}, word("decision_note")),
        element("textarea", { name: "decision_note", rows: "2", maxlength: "2000", dir: "auto" }),
      ),
      element("button", { type: "submit" }, `${word("confirm")}: ${word(this.#action)}`),
    ];
  }

  async #decide(fields, button) {
    const days = Number(fields.get("days") ?? 0);
    const note = fields.get("decision_note").trim();
    button.disabled = true;
    try {
      await this.#session.call("case.decide", {
        case_id: this.summary.id,
        action: this.#action,
        reason: fields.get("reason"),
        ...(this.#action === "label" && { labels: fields.getAll("labels") }),
        ...(days && { until: new Date(Date.now() + days * DAY_MS).toISOString() }),
        ...(note && { note }),
        idempotency_key: crypto.randomUUID(),
      });
    } finally {
      button.disabled = false;
    }
    notify(`${word("decided")}: ${word(this.#action)}`);
    this.#onDecided();
  }
}
