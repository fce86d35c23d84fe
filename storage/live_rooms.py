"""Live rooms in PostgreSQL: rooms, roles, bans, invitations, digests. The roster in Redis knows who is inside."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, TypedDict, cast

from protocol.live_rooms import Role, RoomState
from protocol.moderation import Label
from protocol.posts import Visibility
from storage.database import Transaction
from storage.users import LiteRow, lite_columns, lite_object, own_columns


class RoomRow(LiteRow):
    """A room with user-lite columns of its host."""

    id: int
    owner_id: int
    host_id: int
    topic: str
    state: RoomState
    visibility: Visibility
    circle_id: int | None
    capacity: int
    slow_mode_s: int
    starts_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    version: int
    is_recorded: bool
    labels: list[Label]


class StandingRow(RoomRow):
    """A room with a user's standing in it."""

    role: Role
    is_muted: bool
    is_banned: bool
    viewer: str  # the user, as JSON of `UserLite`


class RoomUserRow(LiteRow):
    """A user with role and mute in a room."""

    id: int
    role: Role
    is_muted: bool


class TargetRow(TypedDict):
    """The user whom an act of moderation is done to; see `room_target` in storage/functions/room_stage.sql."""

    id: int
    role: Role
    is_muted: bool
    is_banned: bool
    has_place: bool
    hides: bool
    may_enter: bool


class Stay(NamedTuple):
    """A user may be in a room, with that role."""

    capacity: int
    role: Role
    version: int


class BanRow(TypedDict):
    until: datetime | None


class VoiceRow(TypedDict):
    id: int
    role: Role
    is_muted: bool


# As the host chose it, also while the room is withheld.
_OWN_COLUMNS = own_columns("r", RoomRow).replace(
    "r.visibility", "coalesce(r.chosen_visibility, r.visibility) AS visibility"
)
_ROOM = f"""
    SELECT {_OWN_COLUMNS}, {lite_columns("h")} FROM rooms r JOIN users h ON h.id = r.host_id
"""
_STANDING = f"""
    SELECT {_OWN_COLUMNS}, {lite_columns("h")},
           CASE WHEN r.host_id = $2 THEN 'host' ELSE coalesce(o.role, 'listener') END AS role,
           coalesce(o.is_muted, false) AS is_muted, b.room_id IS NOT NULL AS is_banned,
           {lite_object("me")} AS viewer
    FROM rooms r JOIN users h ON h.id = r.host_id JOIN users me ON me.id = $2
    LEFT JOIN room_roles o ON o.room_id = r.id AND o.user_id = $2
    LEFT JOIN room_bans b ON b.room_id = r.id AND b.user_id = $2 AND (b.until IS NULL OR b.until > now())
    WHERE r.id = $1
"""
_USER = f"(u.found).id, {lite_columns('(u.found)')}, u.role, u.is_muted"


async def insert(
    tx: Transaction,
    *,
    id: int,
    owner_id: int,
    topic: str,
    visibility: str,
    circle_id: int | None,
    capacity: int,
    slow_mode_s: int,
    starts_at: datetime | None,
) -> None:
    await tx.execute(
        """INSERT INTO rooms (id, owner_id, host_id, topic, visibility, circle_id, capacity, slow_mode_s, starts_at)
        VALUES ($1, $2, $2, $3, $4, $5, $6, $7, $8)""",
        id,
        owner_id,
        topic,
        visibility,
        circle_id,
        capacity,
        slow_mode_s,
        starts_at,
    )


async def load(tx: Transaction, room_id: int) -> RoomRow | None:
    """None if the viewer may not see the room."""
    return cast("RoomRow | None", await tx.fetchrow(f"{_ROOM} WHERE r.id = $1", room_id))


async def load_many(tx: Transaction, room_ids: Sequence[int]) -> list[RoomRow]:
    """Those that the viewer may see."""
    return cast("list[RoomRow]", await tx.fetch(f"{_ROOM} WHERE r.id = ANY ($1)", room_ids))


async def load_page(tx: Transaction, state: str | None, before: int, limit: int) -> list[RoomRow]:
    """Rooms that the viewer may see, newest first. Without a state, those that have not ended."""
    rows = await tx.fetch(
        f"{_ROOM} JOIN rooms_shown($1, $2, $3) AS shown ON shown.room_id = r.id ORDER BY r.id DESC",
        [state] if state else ["scheduled", "live"],
        before,
        limit,
    )
    return cast("list[RoomRow]", rows)


async def standing(tx: Transaction, room_id: int, user_id: int) -> StandingRow | None:
    """None if the viewer may not see the room."""
    return cast("StandingRow | None", await tx.fetchrow(_STANDING, room_id, user_id))


async def lock(tx: Transaction, room_id: int) -> None:
    """Lock the room, for a moderator. What was read before may have changed while this waited."""
    await tx.execute("SELECT FROM rooms WHERE id = $1 FOR UPDATE", room_id)


async def target(tx: Transaction, room_id: int, user_id: int) -> TargetRow | None:
    """None if there is no such user, or the viewer does not moderate the room."""
    return cast("TargetRow | None", await tx.fetchrow("SELECT * FROM room_target($1, $2)", room_id, user_id))


async def room_users(tx: Transaction, room_id: int, user_ids: Sequence[int]) -> dict[int, RoomUserRow]:
    """Users by id, without those whom the viewer may not see."""
    if not user_ids:
        return {}
    rows = await tx.fetch(f"SELECT {_USER} FROM room_users($1, $2) u", room_id, user_ids)
    return {row["id"]: cast("RoomUserRow", row) for row in rows}


async def users_of_rooms(tx: Transaction, asked: Mapping[int, Sequence[int]]) -> dict[int, dict[int, RoomUserRow]]:
    """The same for several rooms: room → users by id."""
    found: dict[int, dict[int, RoomUserRow]] = {room_id: {} for room_id in asked}
    rows = await tx.fetch(
        f"""SELECT asked.room, {_USER} FROM (
            SELECT room, array_agg(user_id) AS user_ids FROM unnest($1::bigint[], $2::bigint[]) AS pairs (room, user_id)
            GROUP BY room) asked CROSS JOIN LATERAL room_users(asked.room, asked.user_ids) u""",
        [room_id for room_id, user_ids in asked.items() for _ in user_ids],
        [user_id for user_ids in asked.values() for user_id in user_ids],
    )
    for row in rows:
        found[row["room"]][row["id"]] = cast("RoomUserRow", row)
    return found


async def load_for_all(tx: Transaction, room_id: int) -> RoomRow | None:
    """The room as all users inside get it. Only in a transaction without a viewer, where `room_users` hides nobody."""
    row = await tx.fetchrow(
        f"""SELECT {own_columns("(r.found)", RoomRow)}, {lite_columns("(r.host)")} FROM room_for_all($1) r""", room_id
    )
    return cast("RoomRow | None", row)


async def ended_among(tx: Transaction, room_ids: Sequence[int]) -> set[int]:
    """Those rooms that have ended. Only in a transaction without a viewer."""
    if not room_ids:
        return set()
    rows = await tx.fetch(
        """SELECT (r.found).id FROM unnest($1::bigint[]) AS asked, room_for_all(asked) AS r
        WHERE (r.found).state = 'ended'""",
        room_ids,
    )
    return {row["id"] for row in rows}


# ---------------------------------------------------------------------------------------------- changes


async def update(
    tx: Transaction, room_id: int, topic: str | None, capacity: int | None, slow_mode_s: int | None
) -> None:
    """None leaves a column as it is."""
    await tx.execute(
        """UPDATE rooms SET topic = coalesce($2, topic), capacity = coalesce($3, capacity),
            slow_mode_s = coalesce($4, slow_mode_s), version = version + 1 WHERE id = $1""",
        room_id,
        topic,
        capacity,
        slow_mode_s,
    )


async def start(tx: Transaction, room_id: int) -> None:
    await tx.execute(
        "UPDATE rooms SET state = 'live', started_at = now(), version = version + 1 WHERE id = $1", room_id
    )


async def close(tx: Transaction, room_id: int) -> None:
    """End all turns on the stage, then the room. In this order, because nobody may change an ended room."""
    await tx.execute("UPDATE room_turns SET ended_at = now() WHERE room_id = $1 AND ended_at IS NULL", room_id)
    await tx.execute("UPDATE rooms SET state = 'ended', ended_at = now(), version = version + 1 WHERE id = $1", room_id)


async def touch(tx: Transaction, room_id: int) -> int:
    """Count a change of the stage. Returns the new version."""
    version: int = await tx.fetchval("UPDATE rooms SET version = version + 1 WHERE id = $1 RETURNING version", room_id)
    return version


async def set_role(tx: Transaction, room_id: int, user_id: int, role: str) -> None:
    """role: cohost, speaker or listener. A mute stays."""
    await tx.execute(
        """INSERT INTO room_roles (room_id, user_id, role) VALUES ($1, $2, $3)
        ON CONFLICT (room_id, user_id) DO UPDATE SET role = excluded.role, granted_at = clock_timestamp()""",
        room_id,
        user_id,
        role,
    )


async def set_muted(tx: Transaction, room_id: int, user_id: int, is_muted: bool) -> None:
    await tx.execute(
        """INSERT INTO room_roles (room_id, user_id, role, is_muted) VALUES ($1, $2, 'listener', $3)
        ON CONFLICT (room_id, user_id) DO UPDATE SET is_muted = excluded.is_muted""",
        room_id,
        user_id,
        is_muted,
    )


async def transfer_host(tx: Transaction, room_id: int, old_id: int, new_id: int) -> None:
    """The former host becomes a cohost."""
    await tx.execute("DELETE FROM room_roles WHERE room_id = $1 AND user_id = $2", room_id, new_id)
    await set_role(tx, room_id, old_id, "cohost")
    await tx.execute("UPDATE rooms SET host_id = $2, version = version + 1 WHERE id = $1", room_id, new_id)


async def step_down(tx: Transaction, room_id: int) -> int | None:
    """Make the viewer a listener. Returns the version; None if the viewer was one, or the room has ended."""
    version: int | None = await tx.fetchval("SELECT step_down($1)", room_id)
    return version


async def ban(
    tx: Transaction, room_id: int, user_id: int, actor_id: int, reason: str | None, until: datetime | None
) -> None:
    await tx.execute(
        """INSERT INTO room_bans (room_id, user_id, actor_id, reason, until) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (room_id, user_id) DO UPDATE
        SET actor_id = excluded.actor_id, reason = excluded.reason, until = excluded.until""",
        room_id,
        user_id,
        actor_id,
        reason,
        until,
    )
    await tx.execute("DELETE FROM room_roles WHERE room_id = $1 AND user_id = $2 AND NOT is_muted", room_id, user_id)
    await tx.execute("UPDATE room_roles SET role = 'listener' WHERE room_id = $1 AND user_id = $2", room_id, user_id)


async def unban(tx: Transaction, room_id: int, user_id: int) -> bool:
    return bool(
        await tx.fetchval("DELETE FROM room_bans WHERE room_id = $1 AND user_id = $2 RETURNING true", room_id, user_id)
    )


async def invite(tx: Transaction, room_id: int, inviter_id: int, user_ids: Sequence[int]) -> list[int]:
    """Returns the newly invited users. The trigger `invitation_allowed` leaves some out."""
    rows = await tx.fetch(
        """INSERT INTO room_invitations (room_id, user_id, inviter_id) SELECT $1, unnest($3::bigint[]), $2
        ON CONFLICT DO NOTHING RETURNING user_id""",
        room_id,
        inviter_id,
        sorted(user_ids),  # a trigger locks each in turn: without one order, two callers could deadlock
    )
    return [row["user_id"] for row in rows]


# ---------------------------------------------------------------------------------------------- who may


async def may_stay(tx: Transaction, pairs: Sequence[tuple[int, int]]) -> dict[tuple[int, int], Stay]:
    """Those pairs (room, user) where the user may still be in the room."""
    rows = await tx.fetch(
        "SELECT * FROM room_standings($1, $2) WHERE state <> 'ended' AND NOT is_banned",
        [room for room, _ in pairs],
        [user for _, user in pairs],
    )
    return {(row["room_id"], row["user_id"]): Stay(row["capacity"], row["role"], row["version"]) for row in rows}


# ---------------------------------------------------------------------------------------------- for workers


async def lock_live(tx: Transaction, room_id: int) -> int | None:
    """Lock a live room and return its host; None if it is not live, or another worker has locked it."""
    host_id: int | None = await tx.fetchval(
        "SELECT host_id FROM rooms WHERE id = $1 AND state = 'live' FOR UPDATE SKIP LOCKED", room_id
    )
    return host_id


async def who_see(tx: Transaction, room_id: int, user_ids: Sequence[int]) -> list[int]:
    """Those users who may see the room."""
    rows = await tx.fetch(
        """SELECT asked FROM rooms r, unnest($2::bigint[]) AS asked
        WHERE r.id = $1 AND room_visible_to(asked, r.id, r.owner_id, r.host_id, r.visibility, r.circle_id)""",
        room_id,
        user_ids,
    )
    return [row["asked"] for row in rows]


async def has_ended(tx: Transaction, room_id: int) -> bool:
    return bool(await tx.fetchval("SELECT state = 'ended' FROM rooms WHERE id = $1", room_id))


async def ban_of(tx: Transaction, room_id: int, user_id: int) -> BanRow | None:
    """The ban in force; None without one."""
    row = await tx.fetchrow(
        """SELECT until FROM room_bans WHERE room_id = $1 AND user_id = $2 AND (until IS NULL OR until > now())""",
        room_id,
        user_id,
    )
    return cast("BanRow | None", row)


async def live_after(tx: Transaction, room_id: int, limit: int) -> dict[int, int]:
    """Live rooms with ids above `room_id`, by id: room → host."""
    rows = await tx.fetch(
        "SELECT id, host_id FROM rooms WHERE state = 'live' AND id > $1 ORDER BY id LIMIT $2", room_id, limit
    )
    return {row["id"]: row["host_id"] for row in rows}


async def stage_roles(tx: Transaction, room_id: int) -> list[tuple[int, Role]]:
    """Cohosts and speakers, oldest first."""
    rows = await tx.fetch(
        "SELECT user_id, role FROM room_roles WHERE room_id = $1 AND role <> 'listener' ORDER BY granted_at, user_id",
        room_id,
    )
    return [(row["user_id"], row["role"]) for row in rows]


async def states(tx: Transaction, room_ids: Sequence[int]) -> dict[int, str]:
    rows = await tx.fetch("SELECT id, state FROM rooms WHERE id = ANY ($1)", room_ids)
    return {row["id"]: row["state"] for row in rows}


async def voices(tx: Transaction, room_id: int, user_ids: Sequence[int]) -> list[VoiceRow]:
    """Those users who may take part in a live room's voice if they are inside."""
    rows = await tx.fetch(
        """SELECT u.id, CASE WHEN r.host_id = u.id THEN 'host' ELSE coalesce(o.role, 'listener') END AS role,
            coalesce(o.is_muted, false) AS is_muted
        FROM rooms r JOIN users u ON u.id = ANY ($2) AND u.status = 'active'
        LEFT JOIN room_roles o ON o.room_id = r.id AND o.user_id = u.id
        WHERE r.id = $1 AND r.state = 'live' AND NOT EXISTS (
            SELECT FROM room_bans b
            WHERE b.room_id = r.id AND b.user_id = u.id AND (b.until IS NULL OR b.until > now()))""",
        room_id,
        user_ids,
    )
    return cast("list[VoiceRow]", rows)


async def keep_digest(tx: Transaction, room_id: int, body: bytes) -> None:
    """Store the digest unless there is one already."""
    await tx.execute("INSERT INTO room_digests (room_id, body) VALUES ($1, $2) ON CONFLICT DO NOTHING", room_id, body)


async def digest(tx: Transaction, room_id: int) -> bytes | None:
    found: bytes | None = await tx.fetchval("SELECT body FROM room_digests WHERE room_id = $1", room_id)
    return found
