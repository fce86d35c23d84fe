// The state of the room that the viewer is in: the answer of room.join, changed by pushes since.
import { Bans } from "./bans.js";

const MESSAGES_KEPT = 200;

// Each push carries the new state, so one that the answer already includes changes nothing.
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

  /** Apply a push with that name. */
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

  /** The raised hands, in the order of raising. */
  get hands() {
    return this.room.hands.map((user) => this.participants.get(user.id) ?? { user, role: "listener", muted: false });
  }

  /** The role of a user; undefined if the user is not known to be inside. */
  roleOf(userId) {
    if (userId === this.room.host.id) return "host";
    const onStage = this.stage.find(({ user }) => user.id === userId);
    return onStage?.role ?? (this.participants.has(userId) ? "listener" : undefined);
  }

  /** The user with that id; undefined if the user is not known to be inside. */
  user(userId) {
    return this.participants.get(userId)?.user ?? this.room.speakers.find(({ id }) => id === userId);
  }
}
