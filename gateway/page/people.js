// The viewer's own profile and presence, and the presence of the users whom the viewer follows.
import { avatar, draw, element, find, nameButton, nameTag } from "./dom.js";
import { notify } from "./notice.js";

const MOST = 50;

export class People {
  /** Called with the user who was followed or unfollowed. */
  onFollowed = () => {};
  onUnfollowed = () => {};

  #session;
  #me;
  #users = [];
  #presences = new Map();

  constructor(session) {
    this.#session = session;
    find("status").addEventListener("change", (event) => session.call("presence.set", { status: event.target.value }));
    session.on("presence.changed", ({ presence }) => this.#learn([presence]));
    session.on("graph.followed", ({ user }) => notify(nameTag(user), " follows you"));
    session.on("graph.accepted", ({ user }) => this.#begin(user));
  }

  async load(me) {
    this.showMe(me);
    await this.#list();
  }

  /** Show the viewer's own profile as it is now. */
  showMe(me) {
    this.#me = me;
    find("me").replaceChildren(avatar(me), nameButton(me), element("small", {}, `@${me.username}`));
  }

  /** Follow, or request to if the account is private. */
  async follow(user) {
    const { status } = await this.#session.call("graph.follow", { user_id: user.id });
    if (status === "active") await this.#begin(user);
  }

  async unfollow(user) {
    await this.#session.call("graph.unfollow", { user_id: user.id });
    this.onUnfollowed(user);
    await Promise.all([this.#session.call("presence.unwatch", { user_ids: [user.id] }), this.#list()]);
  }

  async #begin(user) {
    this.onFollowed(user);
    await this.#list();
  }

  async #list() {
    const followed = await this.#session.call("graph.following", { user_id: this.#me.id, limit: MOST });
    this.#users = followed.items;
    this.#show();
    const ids = [this.#me, ...this.#users].map(({ id }) => id);
    const watched = await this.#session.call("presence.watch", { user_ids: ids });
    this.#learn(watched.items);
  }

  #learn(presences) {
    for (const presence of presences) this.#presences.set(presence.user_id, presence);
    const mine = this.#presences.get(this.#me.id);
    if (mine) find("status").value = mine.status === "offline" ? "invisible" : mine.status;
    this.#show();
  }

  /** Draw online users first, otherwise in the order of following. */
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
  return element("li", { class: "line", "data-username": user.username }, avatar(user), dot, nameButton(user), words);
}
