// The stage, the hands raised before it, and who listens; with what a host may do about them.
import { avatar, draw, element, find, nameTag } from "./dom.js";

export class Stage {
  me;
  #session;
  #state;

  constructor(session) {
    this.#session = session;
    find("raise-hand").addEventListener("click", () => {
      session.call("room.raise_hand", { room_id: this.#state.id, raised: !this.#myHandIsUp });
    });
  }

  show(state) {
    this.#state = state;
    find("raise-hand").hidden = state.role !== "listener";
    find("raise-hand").textContent = this.#myHandIsUp ? "Lower my hand" : "Raise my hand";
    const line = (participant) => this.#line(participant);
    draw("stage", state.stage, line);
    draw("hands", state.hands, line);
    draw("listeners", state.listeners, line);
  }

  get #myHandIsUp() {
    return this.#state.room.hands.some(({ id }) => id === this.me.id);
  }

  #line(participant) {
    const { user, role, muted } = participant;
    return element(
      "li",
      { class: "line", "data-username": user.username, "data-role": role },
      avatar(user),
      nameTag(user),
      role !== "listener" && element("span", { class: "role" }, role),
      muted && element("span", { title: "muted" }, "🔇"),
      element("span", { class: "controls" }, ...this.#controls(participant)),
    );
  }

  #controls({ user, role, muted }) {
    const mine = this.#state.role;
    if (!this.#state.mayModerate || user.id === this.me.id || role === "host" || mine === role) return [];
    const button = (words, method, more) => {
      const act = () => this.#session.call(method, { room_id: this.#state.id, user_id: user.id, ...more });
      return element("button", { onclick: act }, words);
    };
    return [
      role === "listener" && button("Make speaker", "room.set_role", { role: "speaker" }),
      role === "speaker" && mine === "host" && button("Make cohost", "room.set_role", { role: "cohost" }),
      role !== "listener" && button("To the audience", "room.set_role", { role: "listener" }),
      muted ? button("Unmute", "room.mute", { muted: false }) : button("Mute", "room.mute", { muted: true }),
      button("Kick", "room.kick"),
    ].filter(Boolean);
  }
}
