// The actions on a user in a room. Only those are offered that domain/room_rules.py allows to the viewer's role.
// An act is {words, method, user, argument, takesReason?}; the argument is beside the room's id.

/** Frequent actions, on a user who is inside. */
export function frequentActs(state, { user, role, muted }) {
  if (!mayActOn(state, user, role)) return [];
  const act = (words, method, more) => ({ words, method, user, argument: { user_id: user.id, ...more } });
  return [
    role === "listener" && act("Make speaker", "room.set_role", { role: "speaker" }),
    role === "speaker" && state.role === "host" && act("Make cohost", "room.set_role", { role: "cohost" }),
    role !== "listener" && act("Make listener", "room.set_role", { role: "listener" }),
    act(muted ? "Unmute" : "Mute", "room.mute", { muted: !muted }),
  ].filter(Boolean);
}

/** Actions that must not happen by accident, on users inside or not. */
export function rareActs(state, user) {
  const role = state.roleOf(user.id);
  if (!mayActOn(state, user, role)) return [];
  const act = (words, method, takesReason) => ({ words, method, user, argument: { user_id: user.id }, takesReason });
  if (state.bans.has(user.id)) return [unban(user)];
  if (!role) return [invite(user), act("Ban", "room.ban", true)];
  return [
    act("Kick", "room.kick", true),
    act("Ban", "room.ban", true),
    state.role === "host" && act("Make host", "room.transfer_host"),
  ].filter(Boolean);
}

export const invite = (user) => ({
  words: "Invite",
  method: "room.invite",
  user,
  argument: { user_ids: [user.id] },
});

export const unban = (user) => ({ words: "Unban", method: "room.unban", user, argument: { user_id: user.id } });

const mayActOn = (state, user, role) =>
  state.mayModerate && user.id !== state.me.id && role !== "host" && role !== state.role;
