// What is known of the room one is in: what room.join answered, and what pushes have changed since.
import { Bans } from "./bans.js";

const MESSAGES_KEPT = 200;

// Each says how things are from then on, so one that the answer already knew of does no harm.
const CHANGES = {
  "room.updated": (state, { room }) => (state.room = room),
  "room.joined": (state, { user, role }) => {
    state.participants.set(user.id, { user, role, muted: false });
    state.bans.lift(user.id); // whoever else has lifted it
  },
  "room.left": (state, { user_id }) => state.participants.delete(user_id),
  "room.audience": (state, { count }) => (state.room = { ...state.room, audience_count: count }),
  "room.role_changed": (state, { role, muted }) => Object.assign(state, { role, muted }),
  "room.message": (state, { message }) => state.addMessages([message]),
  "room.message_deleted": (state, { message_id }) => state.messages.delete(message_id),
  "room.reacted": (state, { counts }) => state.addReactions(counts),
};

export const CHANGING = Object.keys(CHANGES);

export class RoomState {
  messages = new Map(); // oldest first
  reactions = {};

  constructor({ room, role, muted, participants, recent_messages }, me) {
    Object.assign(this, { room, role, muted, me });
    this.bans = new Bans(room.id);
    this.setParticipants(participants);
    this.addMessages(recent_messages);
  }

  /** Of a push of that name. */
  apply(name, push) {
    CHANGES[name](this, push);
  }

  setParticipants(participants) {
    this.participants = new Map(participants.map((participant) => [participant.user.id, participant]));
  }

  addMessages(messages) {
    const inOrder = [...this.messages.values(), ...messages].sort((one, other) =>
      Number(BigInt(one.id) - BigInt(other.id)),
    );
    this.messages = new Map(inOrder.slice(-MESSAGES_KEPT).map((message) => [message.id, message]));
  }

  addReactions(counts) {
    for (const [emoji, count] of Object.entries(counts)) this.reactions[emoji] = (this.reactions[emoji] ?? 0) + count;
  }

  get id() {
    return this.room.id;
  }

  get mayModerate() {
    return this.role === "host" || this.role === "cohost";
  }

  get stage() {
    const { host, speakers, cohost_ids, muted_ids } = this.room;
    const roleOf = ({ id }) => (id === host.id ? "host" : cohost_ids.includes(id) ? "cohost" : "speaker");
    return speakers.map((user) => ({ user, role: roleOf(user), muted: muted_ids.includes(user.id) }));
  }

  get listeners() {
    const onStage = new Set(this.room.speakers.map(({ id }) => id));
    return [...this.participants.values()].filter(({ user }) => !onStage.has(user.id));
  }

  /** In the order of asking. */
  get hands() {
    return this.room.hands.map((user) => this.participants.get(user.id) ?? { user, role: "listener", muted: false });
  }

  /** undefined for who is not known to be inside. */
  roleOf(userId) {
    if (userId === this.room.host.id) return "host";
    const onStage = this.stage.find(({ user }) => user.id === userId);
    return onStage?.role ?? (this.participants.has(userId) ? "listener" : undefined);
  }

  /** Whoever of the room that is; undefined for who is not known to be inside. */
  user(userId) {
    return this.participants.get(userId)?.user ?? this.room.speakers.find(({ id }) => id === userId);
  }
}
