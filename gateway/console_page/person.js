// The page of a person: the account, and the cases about it.
import { element, find, toUsername } from "./dom.js";
import { readNumber, readTime, word } from "./words.js";

const SHOWN = ["display_name", "bio", "role", "status"];

export class PersonPage {
  #session;
  #links;
  #asked = null;

  /** links: openCase(id). */
  constructor(session, links) {
    this.#session = session;
    this.#links = links;
    find("find-person").addEventListener("submit", (event) => {
      event.preventDefault();
      return this.show({ username: toUsername(event.target.elements.username.value.trim()) });
    });
  }

  async load() {
    if (this.#asked) await this.show(this.#asked);
  }

  /** asked: {user_id} or {username}. */
  async show(asked) {
    this.#asked = asked;
    const person = await this.#session.call("account.review", asked);
    const { items } = await this.#session.call("case.list", { owner_id: person.user_id });
    const facts = {
      ...Object.fromEntries(SHOWN.map((name) => [name, person[name]])),
      created_at: readTime(person.created_at),
      private: word(person.is_private ? "yes" : "no"),
      minor: word(person.is_minor ? "yes" : "no"),
      verified: word(person.is_verified ? "yes" : "no"),
      followers: readNumber(person.follower_count),
      posts: readNumber(person.post_count),
      reports_right: `${readNumber(person.reports_upheld)} / ${readNumber(person.reports_upheld + person.reports_rejected)}`,
    };
    find("found-person").replaceChildren(
      element("h2", {}, element("bdi", {}, `@${person.username}`)),
      element(
        "dl",
        {},
        ...Object.entries(facts).flatMap(([name, fact]) => [
          element("dt", {}, word(name)),
          element("dd", { dir: "auto" }, fact),
        ]),
      ),
      element("h3", {}, word("cases")),
      element(
        "ul",
        {},
        ...items.map((one) =>
          element(
            "li",
            {},
            element(
              "button",
              { onclick: () => this.#links.openCase(one.id) },
              `${word(one.target_type)} · ${word(one.reason)} · ${word(one.action ?? "open")} · ${readTime(one.opened_at)}`,
            ),
          ),
        ),
      ),
    );
    find("found-person").focus();
  }
}
