// Who I am, how I appear, and who of those I follow is there.
import { avatar, draw, element, find, nameTag } from "./dom.js";

const MOST = 50;

export class People {
  #session;
  #me;
  #users = [];
  #presences = new Map();

  constructor(session) {
    this.#session = session;
    find("status").addEventListener("change", (event) => session.call("presence.set", { status: event.target.value }));
    session.on("presence.changed", ({ presence }) => this.#learn([presence]));
  }

  async load(me) {
    this.#me = me;
    find("me").replaceChildren(avatar(me), nameTag(me), element("small", {}, `@${me.username}`));
    const followed = await this.#session.call("graph.following", { user_id: me.id, limit: MOST });
    this.#users = followed.items;
    this.#show();
    const ids = [me, ...this.#users].map(({ id }) => id);
    const watched = await this.#session.call("presence.watch", { user_ids: ids });
    this.#learn(watched.items);
  }

  #learn(presences) {
    for (const presence of presences) this.#presences.set(presence.user_id, presence);
    const mine = this.#presences.get(this.#me.id);
    if (mine) find("status").value = mine.status === "offline" ? "invisible" : mine.status;
    this.#show();
  }

  /** Who is there first, otherwise as they were followed. */
  #show() {
    const people = this.#users.map((user) => ({ user, presence: this.#presences.get(user.id) }));
    const isHere = ({ presence }) => presence !== undefined && presence.status !== "offline";
    people.sort((one, other) => isHere(other) - isHere(one));
    draw("followed", people, person);
  }
}

function person({ user, presence }) {
  const status = presence?.status ?? "offline";
  const dot = element("span", { class: "dot", "data-status": status, title: status });
  const words = presence?.text ? element("small", { dir: "auto" }, presence.text) : null;
  return element("li", { class: "line", "data-username": user.username }, avatar(user), dot, nameTag(user), words);
}
