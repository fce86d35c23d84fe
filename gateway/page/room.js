// The room that the viewer is in: joining, leaving, removal, end.
import { RoomChat } from "./room_chat.js";
import { find, nameTag, onSubmit, toUsername } from "./dom.js";
import { notify } from "./notice.js";
import { invite, rareActs } from "./room_acts.js";
import { CHANGING, RoomState } from "./room_state.js";
import { Stage } from "./stage.js";

const KEPT_AS = "room"; // in the tab's storage, to come back to after a reload

export class Room {
  /** Called when the viewer is out of the room: with its id if the room has ended. */
  onEnd = () => {};
  /** Called when the actions that the viewer may take may have changed. */
  onChange = () => {};

  #session;
  #me;
  #state = null;
  #early = null; // while one joins: pushes that overtake the answer
  #stage;
  #chat;

  constructor(session) {
    this.#session = session;
    this.#stage = new Stage(session, (act) => this.act(act));
    this.#chat = new RoomChat(session);
    for (const name of CHANGING) session.on(name, (push) => this.#change(name, push));
    session.on("typing.changed", (push) => push.room_id && this.#isHere(push) && this.#chat.hear(push));
    session.on("room.role_changed", (push) => this.#isHere(push) && notify(`You are now ${push.role}`));
    session.on("room.removed", (push) => this.#isHere(push) && this.#end(`You were removed from the room: ${push.reason}`));
    session.on("room.closed", (push) => this.#isHere(push) && this.#end("The room has ended", push.room.id));
    find("leave-room").addEventListener("click", async () => {
      await session.call("room.leave", { room_id: this.#state.id });
      this.#end("You have left the room");
    });
    onSubmit(find("invite"), async (name) => {
      await this.act(invite(await session.call("user.get", { username: toUsername(name) })));
    });
    find("close-room").addEventListener("click", () => session.call("room.close", { room_id: this.#state.id }));
  }

  /** Throws CallRefused. */
  async join(roomId) {
    this.#early = [];
    try {
      const state = new RoomState(await this.#session.call("room.join", { room_id: roomId }), this.#me);
      for (const [name, push] of this.#early) if (roomOf(push) === roomId) state.apply(name, push);
      this.#state = state;
    } finally {
      this.#early = null;
    }
    sessionStorage.setItem(KEPT_AS, roomId);
    this.#show();
  }

  /** Rejoin the room that this tab was in. Returns whether it succeeded. */
  async resume(me) {
    this.#me = me;
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

  /** Rare actions on a user, inside or not. */
  actsOn(user) {
    return this.#state ? rareActs(this.#state, user) : [];
  }

  /** Do an act of room_acts.js. */
  async act({ method, user, argument }, reason) {
    const state = this.#state;
    await this.#session.call(method, { room_id: state.id, ...argument, ...(reason && { reason }) });
    if (method === "room.ban") state.bans.add(user);
    if (method === "room.unban") state.bans.lift(user.id);
    if (method === "room.invite") notify(nameTag(user), " is invited");
    if (state === this.#state) this.#show();
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

  #end(words, closedId) {
    this.#forget();
    notify(words);
    this.onEnd(closedId);
  }

  #forget() {
    this.#state = null;
    sessionStorage.removeItem(KEPT_AS);
    this.onChange();
  }

  #show() {
    const { room, role, muted } = this.#state;
    find("topic").textContent = room.topic;
    find("who-may-come").textContent = VISIBILITIES[room.visibility];
    find("audience").textContent = `${room.audience_count} inside`;
    find("my-role").textContent = muted ? `${role}, muted` : role;
    find("close-room").hidden = role !== "host";
    find("invite").hidden = !this.#state.mayModerate;
    this.#stage.show(this.#state);
    this.#chat.show(this.#state);
    this.onChange();
  }
}

/** The label of each visibility; a public room has none. */
export const VISIBILITIES = { public: "", followers: "for followers", circle: "for a circle", private: "by invitation" };

const roomOf = (push) => push.room_id ?? push.room.id;
