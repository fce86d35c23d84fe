// The stage, raised hands and listeners of a room, with the actions of moderators.
import { avatar, draw, element, find, nameButton, nameOf } from "./dom.js";
import { frequentActs, rareActs, unban } from "./room_acts.js";

export class Stage {
  #act;
  #state;

  /** act: does an act of room_acts.js. */
  constructor(session, act) {
    this.#act = act;
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
    const banned = state.mayModerate ? state.bans.users : [];
    find("banned-title").hidden = banned.length === 0;
    draw("banned", banned, (user) => lineOf(user, "banned", controls(this.#button(unban(user)))));
  }

  get #myHandIsUp() {
    return this.#state.room.hands.some(({ id }) => id === this.#state.me.id);
  }

  #line(participant) {
    const { user, role, muted } = participant;
    const more = { "data-person": user.id, "aria-label": `more about ${nameOf(user)}`, title: "more" };
    return lineOf(
      user,
      role,
      role !== "listener" && element("span", { class: "role" }, role),
      muted && element("span", { title: "muted" }, "🔇"),
      controls(
        ...frequentActs(this.#state, participant).map((act) => this.#button(act)),
        rareActs(this.#state, user).length > 0 && element("button", more, "⋯"),
      ),
    );
  }

  #button(act) {
    return element("button", { onclick: () => this.#act(act) }, act.words);
  }
}

const controls = (...buttons) => element("span", { class: "controls" }, ...buttons);

const lineOf = (user, role, ...more) =>
  element(
    "li",
    { class: "line", "data-username": user.username, "data-role": role },
    avatar(user),
    nameButton(user),
    ...more,
  );
