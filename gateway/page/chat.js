// The open chat: history, sending, editing, deleting, reactions, typing, and how far messages have come.
import { ChatState, CHANGING } from "./chat_state.js";
import { chatAvatar, chatTitle } from "./chat_title.js";
import { Composer } from "./composer.js";
import { draw, find } from "./dom.js";
import { Group } from "./group.js";
import { Message } from "./message.js";
import { Typing } from "./typing.js";

const PAGE = 30;
const MEMBERS = 100;
const LONGEST = 2_000;
const FILES = { most: 10 };

export class Chat {
  /** Called with the chat's id and the answer of chat.mark. */
  onMarked = () => {};

  #session;
  #me;
  #state = null;
  #wanted; // id of the chat that was opened last
  #early = null; // while a chat opens: pushes that overtake the answers
  #reloaded = Promise.resolve(); // when all that pushes do not carry was loaded again
  #drawn = new Map(); // messages of the open chat, by seq
  #composer;
  #typing;
  #group;

  constructor(session) {
    this.#session = session;
    this.#composer = new Composer(session, "Write a message", LONGEST, FILES, (...draft) => this.#send(...draft));
    find("chat-composer").append(this.#composer.element);
    this.#typing = new Typing(session, this.#composer.element, find("chat-typing"));
    this.#group = new Group(session);
    for (const name of CHANGING) session.on(name, (push) => this.#change(name, push));
    session.on("typing.changed", (push) => push.chat_id && this.#isHere(push) && this.#typing.hear(push));
    session.on("chat.reacted", (push) => this.#isHere(push) && this.#reload(() => this.#loadMessage(push)));
    find("chat-earlier").addEventListener("click", () => this.#loadEarlier());
    find("close-chat").addEventListener("click", () => this.leave(this.#state?.id));
    find("mute-chat").addEventListener("click", () => this.#mute());
    document.addEventListener("visibilitychange", () => this.#markRead());
  }

  /** Load the open chat again after a new connection. */
  async load(me) {
    this.#me = me;
    if (this.#state) await this.open(await this.#session.call("chat.get", { chat_id: this.#state.id }));
  }

  /** entry: of chat.list. */
  async open(entry) {
    const chat_id = entry.chat.id;
    const early = (this.#early = []);
    this.#wanted = chat_id;
    const answers = await Promise.all([
      this.#session.call("chat.history", { chat_id, limit: PAGE }),
      this.#listMembers(chat_id),
    ]).finally(() => early === this.#early && (this.#early = null));
    if (chat_id !== this.#wanted) return; // another chat was opened meanwhile
    if (chat_id !== this.#state?.id) this.#drawn.clear();
    this.#state = new ChatState(entry, ...answers, this.#me);
    find("chat").hidden = false;
    for (const [name, push] of early) if (chatOf(push) === chat_id) this.#apply(name, push);
    this.#show();
    await this.#markRead();
  }

  /** Close the chat with that id, if it is open. */
  leave(chatId) {
    if (!this.#state || this.#state.id !== chatId) return;
    this.#typing.stop();
    this.#state = null;
    find("chat").hidden = true;
  }

  #isHere(push) {
    return this.#state?.id === chatOf(push);
  }

  async #change(name, push) {
    this.#early?.push([name, push]);
    if (!this.#isHere(push)) return;
    this.#apply(name, push);
    this.#show();
    await this.#markRead();
  }

  #apply(name, push) {
    this.#state.apply(name, push);
    if (name === "chat.updated") this.#reload(() => this.#loadMembers());
  }

  /** Load something again, one call after the other, so that the newest answer is shown. */
  #reload(load) {
    this.#reloaded = this.#reloaded.then(load, load);
    return this.#reloaded;
  }

  #listMembers(chat_id) {
    return this.#session.call("chat.members", { chat_id, limit: MEMBERS });
  }

  /** A push says that the chat has changed, but not its members. */
  async #loadMembers() {
    const state = this.#state;
    if (!state) return;
    state.setMembers(await this.#listMembers(state.id));
    if (state === this.#state) this.#show();
  }

  /** A push says how a user reacts now, but not how before, so the counts are with the message only. */
  async #loadMessage({ chat_id, seq }) {
    const state = this.#state;
    if (state?.id !== chat_id || !state.messages.has(seq)) return;
    const { items } = await this.#session.call("chat.history", { chat_id, around_seq: seq, limit: 1 });
    state.add(items);
    if (state === this.#state) this.#show();
  }

  #mute() {
    return this.#session.call("chat.mute", { chat_id: this.#state.id, muted: !this.#state.isMuted });
  }

  async #loadEarlier() {
    const state = this.#state;
    const before = { chat_id: state.id, before_seq: state.fromSeq, limit: PAGE };
    state.addHistory(await this.#session.call("chat.history", before));
    if (state === this.#state) this.#show();
  }

  /** The viewer has read what is shown, if the window is visible. */
  async #markRead() {
    const state = this.#state;
    if (!state || document.visibilityState !== "visible" || state.readSeq >= state.lastSeq) return;
    state.readSeq = state.lastSeq;
    this.onMarked(state.id, await this.#session.call("chat.mark", { chat_id: state.id, read_seq: state.readSeq }));
  }

  async #send(text, media_ids) {
    const argument = { chat_id: this.#state.id, text, media_ids, idempotency_key: crypto.randomUUID() };
    const message = await this.#session.call("chat.send", argument);
    this.#typing.stop();
    this.#change("chat.message", { message });
  }

  #edit({ chat_id, seq, text }) {
    this.#composer.edit(["Edit your message"], text, async (changed) => {
      const message = await this.#session.call("chat.edit", { chat_id, seq, text: changed });
      this.#typing.stop();
      this.#change("chat.edited", { message });
    });
  }

  get #acts() {
    return {
      edit: (message) => this.#edit(message),
      remove: ({ chat_id, seq }, whose) => this.#session.call("chat.delete", { chat_id, seq, for: whose }),
      react: ({ chat_id, seq }, emoji) => this.#session.call("chat.react", { chat_id, seq, ...(emoji && { emoji }) }),
    };
  }

  #show() {
    const { chat, messages, hasEarlier, isMuted } = this.#state;
    find("chat-title").replaceChildren(chatAvatar(chat, this.#me), chatTitle(chat, this.#me));
    find("mute-chat").ariaPressed = String(isMuted);
    this.#group.show(this.#state);
    find("chat-earlier").hidden = !hasEarlier;
    const list = find("chat-messages");
    const newest = list.lastChild?.dataset.seq;
    draw(list, [...messages.values()], (message) => this.#lineOf(message));
    if (list.lastChild?.dataset.seq !== newest) list.scrollTop = list.scrollHeight;
    this.#typing.enter({ chat_id: chat.id }, (userId) => this.#state.user(userId));
  }

  #lineOf(message) {
    const drawn = this.#drawn.get(message.seq) ?? new Message(this.#session, message, this.#acts);
    this.#drawn.set(message.seq, drawn);
    drawn.show(message, this.#state);
    return drawn.element;
  }
}

const chatOf = (push) => push.chat_id ?? push.chat?.id ?? push.message.chat_id;
