// Notifications that the viewer's policies kept back. They are loaded while they are shown.
import { avatar, draw, element, find, timeOf } from "./dom.js";

const SHOWN = 30;

export class Filtered {
  #session;
  #onAccepted;

  /** onAccepted: called when a notification has moved into the list. */
  constructor(session, onAccepted) {
    this.#session = session;
    this.#onAccepted = onAccepted;
    for (const id of ["filtered", "notifications"]) find(id).addEventListener("toggle", () => this.#load());
    // Another device may have accepted or dismissed some.
    session.on("notification.counted", () => this.#load());
  }

  async #load() {
    if (!find("filtered").open || !find("notifications").matches(":popover-open")) return;
    const { items } = await this.#session.call("notification.filtered", { limit: SHOWN });
    draw("filtered-list", items, (notification) => this.#line(notification));
  }

  #line({ id, actors, text, updated_at }) {
    const button = (words, settle) => element("button", { onclick: settle }, words);
    return element(
      "li",
      { class: "line", "data-id": id },
      ...actors.slice(0, 1).map(avatar),
      element("span", { dir: "auto" }, text),
      timeOf(updated_at),
      element(
        "span",
        { class: "controls" },
        button("Accept", () => this.#settle("notification.accept_filtered", id)),
        button("Dismiss", () => this.#settle("notification.dismiss_filtered", id)),
      ),
    );
  }

  async #settle(method, id) {
    await this.#session.call(method, { ids: [id] });
    await Promise.all([this.#load(), this.#onAccepted()]);
  }
}
