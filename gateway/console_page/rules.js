// Rules before publishing: write one, try it on the texts of the last 24 hours, and put it in force.
import { element, find } from "./dom.js";
import { choice, REASONS } from "./choice.js";
import { notify } from "./notice.js";
import { readNumber, word } from "./words.js";

const SURFACES = ["post", "comment", "message", "profile", "group", "room", "room_message"];
const UNTRIED = new Set(["message", "room_message"]);
const OUTCOMES = ["hold", "require_change", "refuse", "allow"];
const NEW = { name: "", surfaces: ["post", "comment"], expression: "", outcome: "hold", reason: "spam", message: "" };

export class Rules {
  #session;

  constructor(session) {
    this.#session = session;
    find("new-rule").addEventListener("click", () => this.#edit(NEW));
  }

  async load() {
    const { items } = await this.#session.call("rule.list", { limit: 100 });
    find("rule-list").replaceChildren(
      ...items.map(({ rule, enabled_version, hits }) =>
        element(
          "li",
          {},
          element(
            "button",
            { "data-rule": rule.rule_id, onclick: () => this.#edit(rule) },
            element("bdi", {}, rule.name),
            element(
              "small",
              {},
              `${word(enabled_version === null ? "off" : "in_force")} · ${word(rule.outcome)} · ${readNumber(hits)} ${word("hits_today")}`,
            ),
          ),
        ),
      ),
    );
  }

  #edit(rule) {
    const form = element(
      "form",
      { id: "rule-form" },
      field("name", element("input", { name: "name", value: rule.name, maxlength: "100", required: "", dir: "auto" })),
      field("expression", textarea("expression", rule.expression, { required: "", dir: "ltr", rows: "4" })),
      element(
        "fieldset",
        { class: "line" },
        element("legend", {}, word("surfaces")),
        ...SURFACES.map((surface) => tick("surfaces", surface, rule.surfaces.includes(surface))),
      ),
      element(
        "p",
        { class: "line" },
        choice("outcome", OUTCOMES, rule.outcome),
        choice("reason", REASONS, rule.reason),
      ),
      field("advice", textarea("message", rule.message, { maxlength: "300", dir: "auto", rows: "2" })),
      element(
        "p",
        { class: "line" },
        element("button", { type: "button", id: "try-rule", onclick: () => this.#try(form) }, word("try_out")),
        element("button", { type: "submit" }, word("save")),
        rule.rule_id && element("button", { type: "button", onclick: () => this.#enable(rule) }, word("enable")),
        rule.rule_id && element("button", { type: "button", onclick: () => this.#disable(rule) }, word("disable")),
      ),
      element("div", { id: "trial", role: "status" }),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      return this.#save(form, rule);
    });
    find("rule").replaceChildren(form);
    form.elements.name.focus();
  }

  async #save(form, rule) {
    const saved = await this.#session.call("rule.save", {
      ...written(form),
      ...(rule.rule_id && { rule_id: rule.rule_id, version: rule.version }),
      idempotency_key: crypto.randomUUID(),
    });
    notify(word("saved"));
    await this.load();
    this.#edit(saved);
  }

  async #try(form) {
    const { expression, surfaces } = written(form);
    const trial = await this.#session.call("rule.dry_run", { expression, surfaces });
    find("trial").replaceChildren(
      element(
        "p",
        trial.needs_confirmation ? { class: "severe" } : {},
        `${word("would_hit")} ${readNumber(trial.hits)} / ${readNumber(trial.texts)} · ${word("of_verified")} ${readNumber(trial.verified_hits)}`,
      ),
      !trial.examined && element("p", { class: "severe" }, word("nothing_tried")),
      surfaces.some((surface) => UNTRIED.has(surface)) && element("p", { class: "severe" }, word("messages_not_tried")),
      element(
        "ul",
        {},
        ...trial.samples.map(({ username, text }) =>
          element(
            "li",
            {},
            element("bdi", {}, `@${username}`),
            element("blockquote", { dir: "auto" }, text ?? word("private")),
          ),
        ),
      ),
    );
  }

  /** A rule that would have hit much is put in force only after a question. */
  async #enable({ rule_id, version }) {
    try {
      await this.#session.call("rule.enable", { rule_id, version });
    } catch (refusal) {
      if (refusal.error?.code !== "FAILED_PRECONDITION" || !confirm(refusal.error.message)) throw refusal;
      await this.#session.call("rule.enable", { rule_id, version, confirm: true });
    }
    notify(word("in_force"));
    await this.load();
  }

  async #disable({ rule_id }) {
    await this.#session.call("rule.disable", { rule_id });
    notify(word("off"));
    await this.load();
  }
}

function written(form) {
  const fields = new FormData(form);
  return {
    name: fields.get("name"),
    expression: fields.get("expression"),
    surfaces: fields.getAll("surfaces"),
    outcome: fields.get("outcome"),
    reason: fields.get("reason"),
    message: fields.get("message"),
  };
}

const field = (name, input) => element("label", { class: "field" }, element("span", {}, word(name)), input);

function textarea(name, value, attributes) {
  const made = element("textarea", { name, ...attributes });
  made.value = value;
  return made;
}

function tick(name, value, isTicked) {
  const box = element("input", { type: "checkbox", name, value });
  box.checked = isTicked;
  return element("label", {}, box, " ", word(value));
}
