// The chat of a room: messages, typing users, reactions.
import { avatar, draw, element, find, nameButton, nameTag, onSubmit, timeOf } from "./dom.js";

const LIKED = "❤️";
const EMOJI = ["👏", LIKED, "😂", "🔥", "🌙"];
const TYPING_LASTS_MS = 6_000;
const TYPING_AGAIN_MS = 3_000;

export class Chat {
  #session;
  #state;
  #typing = new Map(); // user id → what ends it
  #saidAt = -Infinity; // when it was last said that I am typing

  constructor(session) {
    this.#session = session;
    const form = find("say");
    onSubmit(form, async (text) => {
      await session.call("room.send", { room_id: this.#state.id, text, idempotency_key: crypto.randomUUID() });
      this.#stopTyping();
    });
    form.addEventListener("input", (event) => (event.target.value ? this.#type() : this.#stopTyping()));
  }

  /** Show a push of typing.changed in this room. */
  hear({ user_id: userId, typing }) {
    if (userId === this.#state.me.id) return;
    clearTimeout(this.#typing.get(userId));
    this.#typing.delete(userId);
    if (typing) {
      const end = setTimeout(() => this.hear({ user_id: userId, typing: false }), TYPING_LASTS_MS);
      this.#typing.set(userId, end);
    }
    this.#showTyping();
  }

  show(state) {
    this.#state = state;
    draw("reactions", EMOJI, (emoji) => this.#reaction(emoji));
    const newest = find("messages").lastChild?.dataset.id;
    draw("messages", [...state.messages.values()], (message) => this.#line(message));
    const last = find("messages").lastChild;
    if (last?.dataset.id !== newest) find("messages").scrollTop = find("messages").scrollHeight;
    this.#showTyping();
  }

  #type() {
    if (performance.now() - this.#saidAt < TYPING_AGAIN_MS) return;
    this.#saidAt = performance.now();
    this.#session.call("typing.start", { room_id: this.#state.id });
  }

  #stopTyping() {
    this.#saidAt = -Infinity;
    this.#session.call("typing.stop", { room_id: this.#state.id });
  }

  #showTyping() {
    const users = [...this.#typing.keys()].map((userId) => this.#state.user(userId)).filter(Boolean);
    find("typing").replaceChildren(...users.flatMap((user) => [nameTag(user), " is typing… "]));
  }

  #reaction(emoji) {
    const count = this.#state.reactions[emoji];
    const react = () => this.#session.call("room.react", { room_id: this.#state.id, emoji });
    return element("button", { onclick: react }, count ? `${emoji} ${count}` : emoji);
  }

  #line(message) {
    const { id, sender, text, created_at } = message;
    const isMine = sender.id === this.#state.me.id;
    const button = (words, title, method, more) => {
      const act = () => this.#session.call(method, { room_id: this.#state.id, message_id: id, ...more });
      return element("button", { title, onclick: act }, words);
    };
    const controls = element(
      "span",
      { class: "controls" },
      button(LIKED, "Like it. The digest counts likes.", "room.react", { emoji: LIKED }),
      (isMine || this.#state.mayModerate) && button("Delete", "", "room.delete_message"),
    );
    return element(
      "li",
      { "data-id": id, class: isMine ? "mine" : "theirs" },
      element("header", { class: "line" }, avatar(sender), nameButton(sender), timeOf(created_at), controls),
      element("p", { dir: "auto" }, text),
    );
  }
}
