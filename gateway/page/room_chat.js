// The chat of a room: messages, typing users, reactions.
import { avatar, draw, element, find, nameButton, onSubmit, timeOf } from "./dom.js";
import { Typing } from "./typing.js";

const LIKED = "❤️";
const EMOJI = ["👏", LIKED, "😂", "🔥", "🌙"];

export class RoomChat {
  #session;
  #state;
  #typing;

  constructor(session) {
    this.#session = session;
    const form = find("say");
    this.#typing = new Typing(session, form, find("typing"));
    onSubmit(form, async (text) => {
      await session.call("room.send", { room_id: this.#state.id, text, idempotency_key: crypto.randomUUID() });
      this.#typing.stop();
    });
  }

  /** Show a push of typing.changed in this room. */
  hear(push) {
    if (push.user_id !== this.#state.me.id) this.#typing.hear(push);
  }

  show(state) {
    this.#state = state;
    draw("reactions", EMOJI, (emoji) => this.#reaction(emoji));
    const newest = find("messages").lastChild?.dataset.id;
    draw("messages", [...state.messages.values()], (message) => this.#line(message));
    const last = find("messages").lastChild;
    if (last?.dataset.id !== newest) find("messages").scrollTop = find("messages").scrollHeight;
    this.#typing.enter({ room_id: state.id }, (userId) => state.user(userId));
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
