// Being in a room: from joining it to leaving, being sent out, or its end.
import { Chat } from "./chat.js";
import { find } from "./dom.js";
import { notify } from "./notice.js";
import { CHANGING, RoomState } from "./room_state.js";
import { Stage } from "./stage.js";

const KEPT_AS = "room"; // in the tab's storage, to come back to after a reload

export class Room {
  /** Called when one is in it no more. */
  onEnd = () => {};

  #session;
  #state = null;
  #early = null; // while one joins: pushes that overtake the answer
  #stage;
  #chat;

  constructor(session) {
    this.#session = session;
    this.#stage = new Stage(session);
    this.#chat = new Chat(session);
    for (const name of CHANGING) session.on(name, (push) => this.#change(name, push));
    session.on("typing.changed", (push) => this.#isHere(push) && this.#chat.hear(push));
    session.on("room.role_changed", (push) => this.#isHere(push) && notify(`You are ${push.role} now`));
    session.on("room.removed", (push) => this.#isHere(push) && this.#end(`You are out of the room: ${push.reason}`));
    session.on("room.closed", (push) => this.#isHere(push) && this.#end("The room has closed"));
    find("leave-room").addEventListener("click", async () => {
      await session.call("room.leave", { room_id: this.#state.id });
      this.#end("You have left the room");
    });
    find("close-room").addEventListener("click", () => session.call("room.close", { room_id: this.#state.id }));
  }

  /** Throws CallRefused. */
  async join(roomId) {
    this.#early = [];
    try {
      const state = new RoomState(await this.#session.call("room.join", { room_id: roomId }));
      for (const [name, push] of this.#early) if (roomOf(push) === roomId) state.apply(name, push);
      this.#state = state;
    } finally {
      this.#early = null;
    }
    sessionStorage.setItem(KEPT_AS, roomId);
    this.#show();
  }

  /** Go back to where this tab was. Answers whether it is there now. */
  async resume(me) {
    this.#stage.me = me;
    this.#chat.me = me;
    const roomId = sessionStorage.getItem(KEPT_AS);
    if (!roomId) return false;
    try {
      await this.join(roomId);
    } catch (error) {
      this.#forget();
      notify(error.message);
      return false;
    }
    return true;
  }

  #isHere(push) {
    return this.#state?.id === roomOf(push);
  }

  #change(name, push) {
    this.#early?.push([name, push]);
    if (!this.#isHere(push)) return;
    this.#state.apply(name, push);
    this.#show();
  }

  #end(words) {
    this.#forget();
    notify(words);
    this.onEnd();
  }

  #forget() {
    this.#state = null;
    sessionStorage.removeItem(KEPT_AS);
  }

  #show() {
    const { room, role, muted } = this.#state;
    find("topic").textContent = room.topic;
    find("audience").textContent = `${room.audience_count} inside`;
    find("my-role").textContent = muted ? `${role}, muted` : role;
    find("close-room").hidden = role !== "host";
    this.#stage.show(this.#state);
    this.#chat.show(this.#state);
  }
}

const roomOf = (push) => push.room_id ?? push.room.id;
