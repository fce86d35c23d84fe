"""`python -m bench.conversations`: calls of conversations through a node, beside the time of their SQL.

A node has one core; PostgreSQL, Redis, the workers and the client share the other. One client makes one call at a
time. "Its SQL" is what the call's own statements take, from BEGIN to COMMIT, in a process that runs the handler alone.
"""

import itertools
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import uvloop

from bench.measure import Row, Timing, print_table, timed
from bench.realtime.contenders import Ours
from bench.realtime.load import Crowd, Socket
from bench.realtime.statements import Handlers, RealCall, open_handlers
from bench.realtime.world import SERVER_CORE, World, open_world
from storage import seeding

ROUNDS = 300
COMMENTS = 1_000
REPLIED = 50  # how many of these have replies
MESSAGES = 1_000
NOTIFICATIONS = 20_020  # page 1,000 and one more

WRITES, READS = "30/60/100", "40/80/150"


class Measured(NamedTuple):
    """A call by its number, and its target for p50/p95/p99, in ms."""

    what: str
    call: Callable[[int], RealCall]
    target: str


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="daira-conversations-") as folder:
        async with open_world(Path(folder), 2, 1, 2) as world:
            ours, crowd = Ours(world), Crowd()
            await ours.start(1, 0)
            await ours.start_workers()
            await crowd.connect(ours.ports, [ours.auth(0)])
            try:
                async with open_handlers(world.folder, world.users[0]) as handlers:
                    calls = [each async for each in _prepare(world, handlers, crowd.sockets[0])]
                    rows = [await _measure(each, ours, crowd.sockets[0], handlers) for each in calls]
            finally:
                crowd.close()
                await ours.stop()
    print_table(rows)


async def _measure(measured: Measured, ours: Ours, socket: Socket, handlers: Handlers) -> Row:
    async def call(number: int) -> None:
        await socket.call(*measured.call(number))

    async def run(number: int) -> float:
        return (await handlers.run(measured.call(number))).seconds

    await timed(f"{measured.what}, warm-up", call, ROUNDS // 3)
    cpu = ours.cpu
    timing = await timed(measured.what, call, ROUNDS, warm_up=0)
    timing = Timing(timing.p50, timing.p95, timing.p99, (ours.cpu - cpu) / ROUNDS * 1_000)
    with _on_core_of_node():
        bare = await timed("its SQL", run, ROUNDS)
    return Row(measured.what, timing, "its SQL", bare, measured.target)


@contextmanager
def _on_core_of_node() -> Iterator[None]:
    """Send statements from where the node sends them, not from the core of PostgreSQL and the workers."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {int(SERVER_CORE)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


async def _prepare(world: World, handlers: Handlers, socket: Socket) -> AsyncIterator[Measured]:
    alice, bob = world.users
    post = {"post_id": str(world.posts[0])}
    owner: Any = await asyncpg.connect(world.servers.postgres_url("daira_owner"))
    await seeding.insert_follows(owner, [(bob, alice)])
    chat = {"chat_id": (await handlers.run(RealCall("chat.open", {"user_ids": [str(bob)]}))).answer["chat"]["id"]}
    await _fill(owner, alice, bob, world.posts[0], int(chat["chat_id"]))
    await owner.close()
    kinds = itertools.cycle(("like", "love"))  # each call changes the reaction
    target = {"target_type": "post", "target_id": str(world.posts[0])}
    yield Measured("reaction.set", lambda _: RealCall("reaction.set", {**target, "kind": next(kinds)}), WRITES)
    yield Measured("comment.create", lambda n: RealCall("comment.create", {**post, "text": f"comment {n}"}), WRITES)
    yield Measured("comment.list, page of 20", lambda _: RealCall("comment.list", post), READS)
    yield Measured("chat.send", lambda n: RealCall("chat.send", {**chat, "text": f"message {n}"}), WRITES)
    yield Measured("chat.history, page of 20", lambda _: RealCall("chat.history", chat), READS)
    cursor = None
    yield Measured("notification.list, page of 20", lambda _: RealCall("notification.list", {}), READS)
    for _ in range(200):  # pages of 100: 1,000 pages of 20
        cursor = (await socket.call("notification.list", {"limit": 100, "cursor": cursor}))["next_cursor"]
    deep = {"cursor": cursor}
    yield Measured("notification.list, page 1,000", lambda _: RealCall("notification.list", deep), READS)


async def _fill(owner: Any, alice: int, bob: int, post: int, chat: int) -> None:
    ids = seeding.past_ids(COMMENTS, timedelta(days=1))
    parents = [None] * (COMMENTS - REPLIED) + ids[:REPLIED]
    await owner.executemany(
        "INSERT INTO comments (id, post_id, parent_id, author_id, text) VALUES ($1, $2, $3, $4, 'a comment')",
        [(comment, post, parent, bob) for comment, parent in zip(ids, parents, strict=True)],
    )
    for start in range(0, MESSAGES, 100):
        await owner.fetch(_SEND, chat, [alice] * 100, [f"message {start}"] * 100)
    await owner.execute(
        """INSERT INTO notifications (id, user_id, kind, target_type, target_id, place, actor_ids, actor_count, seen_at)
        SELECT id, $2, 'mention', 'user', $3, 'list', ARRAY [$3::bigint], 1, now() FROM unnest($1::bigint[]) AS id""",
        seeding.past_ids(NOTIFICATIONS, timedelta(days=2)),
        alice,
        bob,
    )
    await owner.execute("ANALYZE comments, chat_messages, notifications")


_SEND = """
    SELECT sent.* FROM (SELECT ARRAY [cardinality($2::bigint[])] AS length) drafts, send_chat_messages(
        $1, $2, $3, array_fill(NULL::integer, length), array_fill(NULL::text, length), array_fill(NULL::bytea, length),
        array_fill(true, length), array_fill(NULL::text, length)) sent
"""

if __name__ == "__main__":
    uvloop.run(main())
