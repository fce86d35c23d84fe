// Typing in a room or chat: reports to the server that the viewer types, and shows other users.
import { nameTag } from "./dom.js";

const LASTS_MS = 6_000;
const AGAIN_MS = 3_000;

export class Typing {
  #session;
  #shown;
  #place = null; // {room_id} or {chat_id}
  #userOf;
  #ends = new Map(); // user id → the timer that ends it
  #saidAt = -Infinity; // when typing was last reported to the server

  /** form: what the viewer types into. shown: the element with the names. */
  constructor(session, form, shown) {
    this.#session = session;
    this.#shown = shown;
    form.addEventListener("input", (event) => (event.target.value ? this.#start() : this.stop()));
  }

  /** From now on, the form writes into that place. userOf(id): the user with that id, undefined if unknown. */
  enter(place, userOf) {
    if (JSON.stringify(place) !== JSON.stringify(this.#place)) {
      this.#ends.forEach(clearTimeout);
      this.#ends.clear();
      this.#saidAt = -Infinity;
    }
    this.#place = place;
    this.#userOf = userOf;
    this.#show();
  }

  /** Show a push of typing.changed in this place. */
  hear({ user_id: userId, typing }) {
    clearTimeout(this.#ends.get(userId));
    this.#ends.delete(userId);
    if (typing) {
      const end = setTimeout(() => this.hear({ user_id: userId, typing: false }), LASTS_MS);
      this.#ends.set(userId, end);
    }
    this.#show();
  }

  /** The viewer has sent or deleted what was typed. */
  stop() {
    if (this.#saidAt === -Infinity) return;
    this.#saidAt = -Infinity;
    this.#session.call("typing.stop", this.#place);
  }

  #start() {
    if (performance.now() - this.#saidAt < AGAIN_MS) return;
    this.#saidAt = performance.now();
    this.#session.call("typing.start", this.#place);
  }

  #show() {
    const users = [...this.#ends.keys()].map((userId) => this.#userOf(userId)).filter(Boolean);
    this.#shown.replaceChildren(...users.flatMap((user) => [nameTag(user), " is typing… "]));
  }
}
