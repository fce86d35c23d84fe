// The lobby: which rooms are live, and opening one.
import { avatar, draw, element, find, nameTag, onSubmit, show } from "./dom.js";

const SHOWN = 20;

export class Rooms {
  #session;
  #room;

  /** room: where who joins goes. */
  constructor(session, room) {
    this.#session = session;
    this.#room = room;
    onSubmit(find("open-room"), async (topic) => {
      const { id } = await session.call("room.create", { topic, idempotency_key: crypto.randomUUID() });
      await session.call("room.start", { room_id: id });
      await this.#enter(id);
    });
    find("refresh-rooms").addEventListener("click", () => this.#list());
    // Nobody is told of rooms that they are not in, so look when somebody turns to this window.
    window.addEventListener("focus", () => !find("lobby").hidden && this.#list());
    session.on("room.invited", () => this.#list());
    room.onEnd = () => this.#list();
  }

  async load(me) {
    if (await this.#room.resume(me)) show(find("room"), find("lobby"));
    else await this.#list();
  }

  async #list() {
    show(find("lobby"), find("room"));
    const { items } = await this.#session.call("room.list", { state: "live", limit: SHOWN });
    draw("rooms", items, (room) => this.#line(room));
  }

  async #enter(roomId) {
    await this.#room.join(roomId);
    show(find("room"), find("lobby"));
  }

  #line(room) {
    return element(
      "li",
      { class: "line", "data-id": room.id },
      avatar(room.host),
      element("div", {}, element("strong", { dir: "auto" }, room.topic), nameTag(room.host)),
      element("span", { class: "count", title: "people inside" }, String(room.audience_count)),
      element("button", { onclick: () => this.#enter(room.id) }, "Join"),
    );
  }
}
