// The viewer's chats with their unread messages, and requests of strangers. It reports to the server which messages have been received.
import { chatAvatar, chatTitle } from "./chat_title.js";
import { draw, element, find, timeOf } from "./dom.js";
import { offerNewGroup } from "./group.js";

const SHOWN = 50;

export class Chats {
  #session;
  #chat;
  #me;
  #entries = new Map(); // by chat id

  /** chat: shows the chat that the viewer opens. */
  constructor(session, chat) {
    this.#session = session;
    this.#chat = chat;
    offerNewGroup(session, (entry) => chat.open(this.#add(entry)));
    chat.onMarked = (chatId, marks) => this.#change(chatId, marks);
    session.on("chat.message", ({ message }) => this.#receive(message));
    session.on("chat.updated", (push) => this.#change(push.chat.id, { chat: push.chat }));
    session.on("chat.edited", ({ message }) => this.#look(message));
    for (const name of ["chat.deleted", "chat.hidden"]) session.on(name, (push) => this.#look(push));
    session.on("chat.marked", (push) => push.user_id === this.#me.id && this.#learnMarks(push));
    // No push brings the messages of a request; a notification says that there are some.
    session.on("notification.created", ({ notification: { kind, target } }) => {
      return kind === "chat_request" && this.#read(target.id);
    });
    session.on("chat.membership_changed", ({ chat_id, state }) => {
      if (state !== "left") return this.#read(chat_id);
      this.#entries.delete(chat_id);
      this.#chat.leave(chat_id);
      this.#show();
    });
  }

  async load(me) {
    this.#me = me;
    const lists = [{}, { requests: true }].map((which) => this.#session.call("chat.list", { limit: SHOWN, ...which }));
    const entries = (await Promise.all(lists)).flatMap(({ items }) => items);
    this.#entries = new Map(entries.map((entry) => [entry.chat.id, entry]));
    this.#show();
    await Promise.all([...entries.map((entry) => this.#markReceived(entry)), this.#chat.load(me)]);
  }

  /** Open the chat with a user; there is a new one if there was none. */
  async openWith(user) {
    await this.#chat.open(this.#add(await this.#session.call("chat.open", { user_ids: [user.id] })));
  }

  async open(chatId) {
    await this.#chat.open(await this.#read(chatId));
  }

  async #read(chatId) {
    const entry = this.#add(await this.#session.call("chat.get", { chat_id: chatId }));
    await this.#markReceived(entry);
    return entry;
  }

  #add(entry) {
    this.#entries.set(entry.chat.id, entry);
    this.#show();
    return entry;
  }

  #change(chatId, changed) {
    const entry = this.#entries.get(chatId);
    if (entry) this.#add({ ...entry, ...changed });
  }

  async #receive(message) {
    const entry = this.#entries.get(message.chat_id);
    if (!entry) return this.#read(message.chat_id);
    if (message.seq < entry.chat.last_seq) return;
    const changed = { ...entry, chat: { ...entry.chat, last_seq: message.seq }, last_message: message };
    await this.#markReceived(this.#add(changed));
  }

  async #markReceived({ chat, state, received_seq }) {
    if (state !== "active" || received_seq >= chat.last_seq) return;
    this.#change(chat.id, await this.#session.call("chat.mark", { chat_id: chat.id, received_seq: chat.last_seq }));
  }

  /** Another device has read. */
  #learnMarks({ chat_id, read_seq }) {
    if (read_seq > this.#entries.get(chat_id)?.read_seq) this.#read(chat_id);
  }

  /** A message has changed: the list shows the last one, and counts those that were not read. */
  #look({ chat_id, seq }) {
    const entry = this.#entries.get(chat_id);
    if (seq > entry?.read_seq || seq === entry?.last_message?.seq) this.#read(chat_id);
  }

  async #accept(chatId) {
    await this.#chat.open(this.#add(await this.#session.call("chat.accept", { chat_id: chatId })));
  }

  #show() {
    const entries = [...this.#entries.values()].sort((one, other) => timeIn(other) - timeIn(one));
    const active = entries.filter(({ state }) => state === "active");
    const requests = entries.filter(({ state }) => state === "requested");
    draw("chat-list", active, (entry) => this.#line(entry));
    draw("chat-requests", requests, (entry) => this.#request(entry));
    find("chat-requests-title").hidden = requests.length === 0;
    const unread = active.reduce((sum, entry) => sum + entry.unread, 0);
    find("chats-unread").textContent = unread ? String(unread) : "";
  }

  #line(entry) {
    const { chat, unread } = entry;
    const open = () => this.#chat.open(this.#entries.get(chat.id));
    const count = unread > 0 && element("span", { class: "badge", title: "unread" }, unread < 1_000 ? unread : "999+");
    return lineOf(entry, this.#me, element("button", { class: "name", onclick: open }, chatTitle(chat, this.#me)), count);
  }

  #request(entry) {
    const { id } = entry.chat;
    const reject = () => this.#session.call("chat.reject", { chat_id: id });
    const title = element("span", {}, chatTitle(entry.chat, this.#me));
    const accept = element("button", { onclick: () => this.#accept(id) }, "Accept");
    const controls = element("span", { class: "controls" }, accept, element("button", { onclick: reject }, "Reject"));
    return lineOf(entry, this.#me, title, controls);
  }
}

/** What a message without a text shows in the list. */
const filesIn = ({ media, deleted }) => (deleted || media.length === 0 ? "" : "📎");

const timeIn = ({ chat, last_message }) => Date.parse(last_message?.created_at ?? chat.created_at);

function lineOf({ chat, last_message }, me, ...more) {
  const last = last_message && element("small", { dir: "auto", class: "last" }, last_message.text || filesIn(last_message));
  const time = last_message && timeOf(last_message.created_at);
  return element("li", { class: "line", "data-id": chat.id }, chatAvatar(chat, me), ...more, time, last);
}
