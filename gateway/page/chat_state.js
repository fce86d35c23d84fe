// The state of the open chat: the answers of chat.history and chat.members, changed by pushes since.

// Each push carries the new state, so one that the answers already include changes nothing.
const CHANGES = {
  "chat.message": (state, { message }) => state.add([message]),
  "chat.edited": (state, { message }) => state.messages.has(message.seq) && state.add([message]),
  "chat.deleted": (state, { seq }) => state.remove(seq),
  "chat.hidden": (state, { seq }) => state.messages.delete(seq),
  "chat.marked": (state, push) => state.mark(push),
  "chat.updated": (state, { chat }) => (state.chat = chat),
  "chat.membership_changed": (state, { role, muted_until }) => Object.assign(state, { role, mutedUntil: muted_until }),
};

export const CHANGING = Object.keys(CHANGES);

export class ChatState {
  messages = new Map(); // by seq, oldest first
  members = new Map(); // by user id

  /** entry: of chat.list. */
  constructor({ chat, role, muted_until, read_seq }, history, members, me) {
    Object.assign(this, { chat, role, mutedUntil: muted_until, me, readSeq: read_seq, firstSeq: history.first_seq });
    this.setMembers(members);
    this.addHistory(history);
  }

  get id() {
    return this.chat.id;
  }

  get isMuted() {
    return this.mutedUntil !== null && Date.parse(this.mutedUntil) > Date.now();
  }

  get lastSeq() {
    return Math.max(0, ...this.messages.keys());
  }

  get hasEarlier() {
    return this.fromSeq > this.firstSeq;
  }

  /** Add an answer of chat.history with earlier messages. */
  addHistory({ items, from_seq }) {
    this.fromSeq = from_seq;
    this.add(items);
  }

  /** Take the members from an answer of chat.members. Pushes of marks may have overtaken it. */
  setMembers({ items }) {
    const known = [...this.members.values()];
    this.members = new Map(items.map((member) => [member.user.id, { ...member }]));
    for (const { user, received_seq, read_seq } of known) this.mark({ user_id: user.id, received_seq, read_seq });
  }

  /** Apply a push with that name. */
  apply(name, push) {
    CHANGES[name](this, push);
  }

  /** Pushes have no reactions: a message keeps those that it had. */
  add(messages) {
    for (const message of messages) this.messages.set(message.seq, { ...this.messages.get(message.seq), ...message });
    this.messages = new Map([...this.messages].sort(([one], [other]) => one - other));
  }

  remove(seq) {
    const message = this.messages.get(seq);
    if (message) this.messages.set(seq, { ...message, text: "", deleted: true });
  }

  /** Marks never go back. */
  mark({ user_id, received_seq, read_seq }) {
    const member = this.members.get(user_id);
    if (!member) return;
    member.received_seq = Math.max(member.received_seq, received_seq);
    member.read_seq = Math.max(member.read_seq, read_seq);
  }

  user(userId) {
    return this.members.get(userId)?.user ?? this.chat.users.find(({ id }) => id === userId);
  }

  /** How far a message of the viewer has come with all other members: "sent", "delivered" or "read". */
  progress({ seq }) {
    const others = [...this.members.values()].filter(({ user, state }) => user.id !== this.me.id && state === "active");
    if (others.length > 0 && others.every(({ read_seq }) => read_seq >= seq)) return "read";
    if (others.length > 0 && others.every(({ received_seq }) => received_seq >= seq)) return "delivered";
    return "sent";
  }
}
