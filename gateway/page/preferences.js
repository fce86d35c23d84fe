// How notifications reach the viewer: channels by kind, groups, quiet hours, and policies for strangers.
import { draw, element, find } from "./dom.js";

const CHANNELS = ["socket", "push", "email"];
const POLICIES = { strangers: "strangers", "new-accounts": "new_accounts" }; // id of the control → field

export class Preferences {
  #session;

  constructor(session) {
    this.#session = session;
    session.on("notification.preferences_changed", ({ preferences }) => this.#show(preferences));
    session.on("settings.changed", ({ settings }) => this.#showZone(settings));
    find("preferences").addEventListener("toggle", () => this.load());
    find("grouped").addEventListener("change", () => this.#set({ ungrouped: this.#ungrouped }));
    find("quiet-hours").addEventListener("change", () => this.#setQuietHours());
    for (const [id, field] of Object.entries(POLICIES)) {
      find(id).addEventListener("change", ({ target }) => this.#set({ [field]: target.value }));
    }
  }

  async load() {
    if (!find("preferences").open) return;
    const [preferences, settings] = await Promise.all([
      this.#session.call("notification.preferences"),
      this.#session.call("settings.get"),
    ]);
    this.#show(preferences);
    this.#showZone(settings);
  }

  get #ungrouped() {
    return [...find("grouped").querySelectorAll("input:not(:checked)")].map(({ name }) => name);
  }

  /** Keep the change, or show what stands if the server refuses it. */
  async #set(change) {
    try {
      this.#show(await this.#session.call("notification.set_preferences", change));
    } catch (refusal) {
      await this.load();
      throw refusal;
    }
  }

  async #setQuietHours() {
    const { on, start, end } = fieldsOf("quiet-hours");
    if (!start.value || !end.value) return; // a time is being typed
    await this.#set({ quiet_hours: on.checked ? { start: start.value, end: end.value } : null });
  }

  #show({ channels, ungrouped, quiet_hours, ...policies }) {
    draw("preferred-channels", Object.keys(channels), (kind) => this.#line(kind));
    for (const input of find("preferred-channels").querySelectorAll("input")) {
      input.checked = channels[input.dataset.kind][input.dataset.channel];
    }
    for (const input of find("grouped").querySelectorAll("input")) input.checked = !ungrouped.includes(input.name);
    const { on, start, end } = fieldsOf("quiet-hours");
    on.checked = quiet_hours !== null;
    if (quiet_hours) [start.value, end.value] = [quiet_hours.start, quiet_hours.end];
    for (const [id, field] of Object.entries(POLICIES)) find(id).value = policies[field];
  }

  #showZone({ timezone }) {
    find("time-zone").textContent = timezone;
  }

  #line(kind) {
    const words = kind.replaceAll("_", " ");
    const box = (channel) => {
      const choose = ({ target }) => this.#set({ channels: { [kind]: { [channel]: target.checked } } });
      const label = `${words}: ${channel}`;
      const named = { "aria-label": label, "data-kind": kind, "data-channel": channel };
      return element("td", {}, element("input", { type: "checkbox", ...named, onchange: choose }));
    };
    return element("tr", {}, element("th", { scope: "row" }, words), ...CHANNELS.map(box));
  }
}

const fieldsOf = (id) => Object.fromEntries([...find(id).querySelectorAll("input")].map((field) => [field.name, field]));
