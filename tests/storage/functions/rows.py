"""Rows of one test of a database function, in a transaction that is rolled back."""

import itertools
import json
from typing import Any

import asyncpg

LAST = 2**63 - 1
# Rows that other tests have committed have larger ids than those of a test here.
BEFORE_OTHERS = 10**6


class Rows:
    """Rows are written without triggers and policies, so that a test has exactly those that it names."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self._ids = itertools.count(1)

    # ------------------------------------------------------------------------------------------ rows

    async def add(self, table: str, **columns: Any) -> None:
        await self.connection.execute("SET LOCAL session_replication_role = replica")
        await self.write(table, **columns)
        await self.connection.execute("SET LOCAL session_replication_role = origin")

    async def write(self, table: str, **columns: Any) -> None:
        """Insert with triggers."""
        values = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
        await self.connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})", *columns.values()
        )

    async def added(self, table: str, **columns: Any) -> int:
        """Add a row with a new id; return the id."""
        row_id = next(self._ids)
        await self.add(table, id=row_id, **columns)
        return row_id

    async def user(self, **columns: Any) -> int:
        name = f"user{next(self._ids)}"
        return await self.added("users", username=name, username_key=name, **columns)

    async def users(self, amount: int) -> list[int]:
        return [await self.user() for _ in range(amount)]

    async def follow(self, follower: int, followee: int, status: str = "active") -> int:
        return await self.added("follows", follower_id=follower, followee_id=followee, status=status)

    async def block(self, blocker: int, blocked: int) -> None:
        await self.add("blocks", blocker_id=blocker, blocked_id=blocked)

    async def audience(self, owner: int, *others: str) -> dict[str, int]:
        """Return by name a follower, an asker whose follow waits, a stranger whom the owner follows, and others."""
        names = ["follower", "asker", "stranger", *others]
        found = dict(zip(names, await self.users(len(names)), strict=True))
        await self.follow(found["follower"], owner)
        await self.follow(found["asker"], owner, "pending")
        await self.follow(owner, found["stranger"])
        await self.tie_to_others(owner, *found.values())
        return found

    async def tie_to_others(self, *users: int) -> None:
        """Let each follow, be followed by, block and be blocked by somebody who must not matter."""
        for user in users:
            other = await self.user()
            for tie in (self.follow, self.block):
                await tie(user, other)
                await tie(other, user)

    async def mute(self, user: int, muted: int, kind: str = "all", until: Any = None) -> None:
        await self.add("mutes", user_id=user, muted_id=muted, kind=kind, until=until)

    async def circle(self, owner: int, *members: int) -> int:
        circle = await self.added("circles", owner_id=owner, name="friends")
        for member in members:
            await self.add("circle_members", circle_id=circle, owner_id=owner, user_id=member)
        return circle

    async def post(self, author: int, visibility: str = "public", **columns: Any) -> int:
        columns = {"author_id": author, "text": "", "visibility": visibility, "reply_policy": "everyone", **columns}
        return await self.added("posts", **columns)

    async def comment(self, post: int, author: int, parent: int | None = None) -> int:
        """Add a comment, whose path the trigger sets."""
        comment = next(self._ids)
        await self.write("comments", id=comment, post_id=post, parent_id=parent, author_id=author, text=f"by {author}")
        return comment

    async def delete_comment(self, comment: int) -> None:
        await self.connection.execute("UPDATE comments SET status = 'deleted' WHERE id = $1", comment)

    async def react(self, user: int, target: int, kind: str = "like", target_type: str = "comment") -> int:
        return await self.added("reactions", target_type=target_type, target_id=target, user_id=user, kind=kind)

    async def session(self, user: int, **columns: Any) -> int:
        columns = {"family_hash": b"family", "refresh_hash": b"", "expires_at": await self.now(hours=1), **columns}
        return await self.added("sessions", user_id=user, **columns)

    async def room(self, owner: int, visibility: str = "public", state: str = "live", **columns: Any) -> int:
        columns = {"host_id": owner, "topic": "", "capacity": 10, **columns}
        return await self.added("rooms", owner_id=owner, visibility=visibility, state=state, **columns)

    async def role(self, room: int, user: int, role: str, *, is_muted: bool = False) -> None:
        await self.add("room_roles", room_id=room, user_id=user, role=role, is_muted=is_muted)

    async def ban(self, room: int, user: int, until: Any = None) -> None:
        await self.add("room_bans", room_id=room, user_id=user, actor_id=user, until=until)

    async def invite(self, room: int, user: int, inviter: int, **columns: Any) -> None:
        await self.add("room_invitations", room_id=room, user_id=user, inviter_id=inviter, **columns)

    # ------------------------------------------------------------------------------------------ questions

    async def now(self, **later: float) -> Any:
        """Return the time that the transaction takes for now, or so much later."""
        interval = " ".join(f"{amount} {unit}" for unit, amount in later.items()) or "0"
        return await self.connection.fetchval(f"SELECT now() + interval '{interval}'")

    async def view_as(self, viewer: int | None) -> None:
        await self.connection.execute(f"SELECT set_config('app.user_id', '{viewer or ''}', true)")

    async def ask(self, viewer: int | None, function: str, *arguments: Any) -> Any:
        """Return the function's value for that viewer (None: no viewer)."""
        found = await self.list(viewer, function, *arguments)
        assert len(found) == 1
        return found[0]

    async def list(self, viewer: int | None, function: str, *arguments: Any) -> list[Any]:
        """Return the function's rows, or their values if they have one column."""
        await self.view_as(viewer)
        values = ", ".join(f"${number}" for number in range(1, len(arguments) + 1))
        found = await self.connection.fetch(f"SELECT * FROM {function}({values})", *arguments)
        return [each[0] if len(each) == 1 else each for each in found]

    async def may_tell(self, viewer: int | None, function: str, topic: str, key: int, **event: Any) -> bool:
        """Ask whether the viewer may add this event to the outbox; ids become texts, as in events."""
        texts = {name: str(value) if isinstance(value, int) else value for name, value in event.items()}
        return bool(await self.ask(viewer, function, topic, str(key), json.dumps(texts)))

    async def is_refused(self, statement: str, *arguments: Any) -> bool:
        """Whether a trigger or policy raises an error for the statement."""
        try:
            async with self.connection.transaction():
                await self.connection.execute(statement, *arguments)
        except (asyncpg.InsufficientPrivilegeError, asyncpg.CheckViolationError):
            return True
        return False

    async def table(self, statement: str, *arguments: Any) -> "list[tuple[Any, ...]]":
        return [tuple(each) for each in await self.connection.fetch(statement, *arguments)]
