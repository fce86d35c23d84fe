"""Compares what users were told with what is true: rows in PostgreSQL, pushes, rosters, presence."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from storage.room_messages import MOST_MESSAGES
from tests.patience import WAIT_S
from tests.topology.ledger import Write
from tests.topology.load import Load
from tests.topology.topology import Topology
from tests.topology.user import User

PUSHED = ("post", "chat", "room")

# Each returns the acknowledged keys that have no row.
_LOST = {
    "post": "SELECT id::text FROM unnest($1::bigint[]) id WHERE NOT EXISTS (SELECT FROM posts p WHERE p.id = id.id)",
    "room": """SELECT id::text FROM unnest($1::bigint[]) id
        WHERE NOT EXISTS (SELECT FROM room_messages m WHERE m.id = id.id)""",
    "media": """SELECT id::text FROM unnest($1::bigint[]) id
        WHERE NOT EXISTS (SELECT FROM media m WHERE m.id = id.id AND m.status <> 'pending')""",
    "chat": """SELECT k.a || ':' || k.b FROM unnest($1::bigint[], $2::integer[]) k(a, b)
        WHERE NOT EXISTS (SELECT FROM chat_messages m WHERE m.chat_id = k.a AND m.seq = k.b)""",
    "reaction": """SELECT k.a || ':' || k.b FROM unnest($1::bigint[], $2::bigint[]) k(a, b)
        WHERE NOT EXISTS (SELECT FROM reactions r WHERE r.target_id = k.a AND r.user_id = k.b)""",
}


async def lost_writes(topology: Topology, writes: list[Write]) -> list[str]:
    """Return the acknowledged writes that PostgreSQL does not have."""
    owner = await topology.owner()
    try:
        lost = []
        for kind, statement in _LOST.items():
            keys = [write.key for write in writes if write.kind == kind]
            if kind == "room":
                keys = keys[-MOST_MESSAGES // 2 :]  # rooms forget older ones on purpose
            columns = [[int(part) for part in column] for column in zip(*keys, strict=True)]
            lost += [f"{kind} {key}" for (key,) in await owner.fetch(statement, *columns)] if keys else []
        return lost
    finally:
        await owner.close()


def missed_pushes(load: Load, since: float) -> list[str]:
    """Return pushes of writes since then that a user did not get who was not told to load anew, nor reconnected."""
    ledger = load.ledger
    informed = {name for at, name in (*ledger.told, *ledger.reconnects) if at >= since}
    informed |= {user.name for user in load.users if not user.present}
    missed = []
    for write in ledger.writes:
        if write.at < since or write.kind not in PUSHED:
            continue
        missed += [
            f"{user.name}: {write.kind} {write.key}"
            for user in load.users
            if user.name not in informed
            and _is_told_of(load, user, write)
            and (write.kind, *write.key) not in ledger.heard[user.name]
        ]
    return missed


def _is_told_of(load: Load, user: User, write: Write) -> bool:
    if write.kind == "post":
        return user.name != write.user
    return write.kind == "chat" or user not in load.movers  # who move miss what is said while they are out


async def soon_true(check: Callable[[], Awaitable[list[str]]]) -> list[str]:
    """Return the complaints of the check once there are none, or the last ones after 30 s."""
    loop = asyncio.get_running_loop()
    give_up_at = loop.time() + WAIT_S
    while (complaints := await check()) and loop.time() < give_up_at:
        await asyncio.sleep(0.2)
    return complaints


async def ghosts(load: Load) -> list[str]:
    """Return differences of the room's roster and of presence, as two users see them, from who is there."""
    complaints = []
    present = [user for user in load.users if user.present]
    inside = {user.id for user in present if user.room_id is not None}
    names = {user.id: user.name for user in load.users}
    for asked in present[:2]:
        shown = await _all_items(asked, "room.participants", room_id=load.room_id)
        found = {item["user"]["id"] for item in shown}
        complaints += [f"{asked.name} sees {names[each]} in the room" for each in found - inside]
        complaints += [f"{asked.name} does not see {names[each]} in the room" for each in inside - found]
        statuses = (await asked.write("presence", "presence.watch", user_ids=asked.watched))["items"]
        online = {item["user_id"] for item in statuses if item["status"] == "online"}
        wanted = {user.id for user in present if user is not asked}
        complaints += [f"{asked.name} sees {names[each]} online" for each in online - wanted]
        complaints += [f"{asked.name} sees {names[each]} offline" for each in wanted - online]
    return complaints


async def _all_items(user: User, method: str, **argument: Any) -> list[Any]:
    items: list[Any] = []
    cursor = None
    while True:
        page = await user.write("verify", method, **argument, limit=100, cursor=cursor)
        items += page["items"]
        if (cursor := page["next_cursor"]) is None:
            return items
