// The lobby: live rooms, ended rooms with their digests, and the form that opens a room.
import { showDigest } from "./digest.js";
import { avatar, draw, element, find, nameButton, onSubmit, show, timeOf } from "./dom.js";
import { notify } from "./notice.js";
import { VISIBILITIES } from "./room.js";

const SHOWN = 20;
const ENDED_SHOWN = 5;

export class Rooms {
  #session;
  #room;
  #closedId; // the room that has ended while one was in it
  #digestedId; // has a digest now; this push and the end of the room arrive in any order

  /** room: shows the room that the viewer joins. */
  constructor(session, room) {
    this.#session = session;
    this.#room = room;
    const form = find("open-room");
    onSubmit(form, async (topic) => {
      const visibility = form.elements.visibility.value;
      const { id } = await session.call("room.create", { topic, visibility, idempotency_key: crypto.randomUUID() });
      await session.call("room.start", { room_id: id });
      await this.enter(id);
    });
    find("refresh-rooms").addEventListener("click", () => this.#list());
    // There are no pushes about rooms that the user is not in, so refresh when the window gets the focus.
    window.addEventListener("focus", () => this.#lookAgain());
    session.on("room.invited", ({ room: { topic } }) => {
      notify("You are invited: ", element("bdi", {}, topic));
      this.#lookAgain();
    });
    session.on("room.digested", ({ room_id }) => {
      this.#digestedId = room_id;
      this.#lookAgain();
      this.#readLast();
    });
    find("leave-digest").addEventListener("click", () => this.#goBack());
    room.onEnd = (closedId) => {
      this.#closedId = closedId;
      this.#goBack();
      this.#readLast();
    };
  }

  async load(me) {
    if (await this.#room.resume(me)) goTo("room");
    else if (find("digest").hidden) await this.#goBack();
  }

  async #goBack() {
    goTo("lobby");
    await this.#list();
  }

  async #readLast() {
    if (!this.#closedId || this.#closedId !== this.#digestedId || find("lobby").hidden) return;
    await this.#read(this.#closedId);
  }

  async #read(roomId) {
    const digest = await this.#session.call("room.digest", { room_id: roomId });
    if (find("lobby").hidden) return; // the viewer has left the lobby
    showDigest(digest);
    goTo("digest");
  }

  #lookAgain() {
    if (!find("lobby").hidden) this.#list();
  }

  async #list() {
    const [live, ended] = await Promise.all([
      this.#session.call("room.list", { state: "live", limit: SHOWN }),
      this.#session.call("room.list", { state: "ended", limit: ENDED_SHOWN }),
    ]);
    draw("rooms", live.items, (room) => this.#liveLine(room));
    draw("ended-rooms", ended.items, (room) => this.#endedLine(room));
  }

  /** Join a room and show it. */
  async enter(roomId) {
    await this.#room.join(roomId);
    goTo("room");
  }

  #liveLine(room) {
    return lineOf(
      room,
      element("span", { class: "count", title: "users inside" }, String(room.audience_count)),
      element("button", { onclick: () => this.enter(room.id) }, "Join"),
    );
  }

  #endedLine(room) {
    return lineOf(
      room,
      timeOf(room.ended_at),
      element("button", { onclick: () => this.#read(room.id) }, "Digest"),
    );
  }
}

const lineOf = (room, ...more) =>
  element(
    "li",
    { class: "line", "data-id": room.id },
    avatar(room.host),
    element("div", {}, element("strong", { dir: "auto" }, room.topic), nameButton(room.host)),
    element("small", {}, VISIBILITIES[room.visibility]),
    ...more,
  );

function goTo(place) {
  const places = ["lobby", "room", "digest"].map(find);
  show(find(place), ...places.filter(({ id }) => id !== place));
}
