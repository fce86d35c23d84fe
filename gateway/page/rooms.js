// The lobby: which rooms are live, and opening one.
import { avatar, draw, element, find, nameButton, onSubmit, show } from "./dom.js";
import { notify } from "./notice.js";
import { VISIBILITIES } from "./room.js";

const SHOWN = 20;

export class Rooms {
  #session;
  #room;

  /** room: where who joins goes. */
  constructor(session, room) {
    this.#session = session;
    this.#room = room;
    const form = find("open-room");
    onSubmit(form, async (topic) => {
      const visibility = form.elements.visibility.value;
      const { id } = await session.call("room.create", { topic, visibility, idempotency_key: crypto.randomUUID() });
      await session.call("room.start", { room_id: id });
      await this.#enter(id);
    });
    find("refresh-rooms").addEventListener("click", () => this.#list());
    // Nobody is told of rooms that they are not in, so look when somebody turns to this window.
    window.addEventListener("focus", () => this.#lookAgain());
    session.on("room.invited", ({ room: { topic } }) => {
      notify("You are invited: ", element("bdi", {}, topic));
      this.#lookAgain();
    });
    room.onEnd = () => {
      show(find("lobby"), find("room"));
      this.#list();
    };
  }

  async load(me) {
    if (await this.#room.resume(me)) show(find("room"), find("lobby"));
    else {
      show(find("lobby"), find("room"));
      await this.#list();
    }
  }

  #lookAgain() {
    if (!find("lobby").hidden) this.#list();
  }

  async #list() {
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
      element("div", {}, element("strong", { dir: "auto" }, room.topic), nameButton(room.host)),
      element("small", {}, VISIBILITIES[room.visibility]),
      element("span", { class: "count", title: "people inside" }, String(room.audience_count)),
      element("button", { onclick: () => this.#enter(room.id) }, "Join"),
    );
  }
}
