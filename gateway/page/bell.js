// The bell: how many notifications are unseen, the newest ones, and why each was sent or not.
import { avatar, draw, element, find, timeOf } from "./dom.js";

const SHOWN = 30;

export class Bell {
  #session;
  #open;
  #notifications = new Map(); // by id, newest first
  #fresh = new Set(); // ids that were unseen when the list was opened
  #why = new Map(); // id → decisions, once asked for

  /** open(target): shows what a notification is about. */
  constructor(session, open) {
    this.#session = session;
    this.#open = open;
    session.on("notification.created", ({ notification }) => {
      this.#add([notification]);
      return this.#isOpen && this.#markSeen();
    });
    session.on("notification.changed", ({ notification }) => this.#add([notification]));
    session.on("notification.removed", ({ ids }) => {
      for (const id of ids) this.#notifications.delete(id);
      this.#add([]);
    });
    session.on("notification.counted", ({ unseen_count }) => this.#count(unseen_count));
    session.on("notification.dismissed", ({ ids }) => {
      const seen = ids.filter((id) => this.#notifications.has(id));
      this.#add(seen.map((id) => ({ ...this.#notifications.get(id), seen: true })));
    });
    find("notifications").addEventListener("toggle", () => (this.#isOpen ? this.#look() : this.#fresh.clear()));
  }

  async load() {
    const { items, unseen_count } = await this.#session.call("notification.list", { limit: SHOWN });
    this.#notifications.clear();
    this.#add(items);
    this.#count(unseen_count);
  }

  get #isOpen() {
    return find("notifications").matches(":popover-open");
  }

  async #look() {
    await this.load();
    await this.#markSeen();
  }

  async #markSeen() {
    const [newest, ...older] = [...this.#notifications.values()].filter(({ seen }) => !seen).map(({ id }) => id);
    if (!newest) return;
    for (const id of [newest, ...older]) this.#fresh.add(id);
    const { unseen_count } = await this.#session.call("notification.mark_seen", { up_to_id: newest });
    this.#count(unseen_count);
  }

  #count(unseen) {
    find("unseen").textContent = unseen ? String(unseen) : "";
    find("bell").ariaLabel = `Notifications, ${unseen} unseen`;
  }

  /** Add notifications, in place of those with the same ids. */
  #add(notifications) {
    const byId = new Map([...this.#notifications, ...notifications.map((each) => [each.id, each])]);
    this.#notifications = new Map([...byId].sort(newestFirst).slice(0, SHOWN));
    draw("notification-list", [...this.#notifications.values()], (notification) => this.#line(notification));
  }

  #line({ id, actors, text, target, updated_at, seen }) {
    const open = async () => {
      find("notifications").hidePopover();
      await this.#session.call("notification.mark_read", { ids: [id] });
      await this.#open(target);
    };
    const isNew = !seen || this.#fresh.has(id);
    return element(
      "li",
      { "data-id": id, ...(isNew && { class: "new" }) },
      element("span", { class: "actors" }, ...actors.slice(0, 3).map(avatar)),
      element("button", { class: "name", dir: "auto", onclick: open }, text),
      timeOf(updated_at),
      element("button", { class: "why", onclick: () => this.#explain(id) }, "why"),
      this.#why.has(id) && element("ul", {}, ...this.#why.get(id).map(decisionLine)),
    );
  }

  async #explain(id) {
    const { decisions } = await this.#session.call("notification.why", { id });
    this.#why.set(id, decisions);
    this.#add([]);
  }
}

const decisionLine = ({ channel, decision, reason, at }) =>
  element("li", {}, element("small", {}, `${channel}: ${decision}, ${reason} `, timeOf(at)));

const newestFirst = ([one], [other]) => (BigInt(one) < BigInt(other) ? 1 : -1);
