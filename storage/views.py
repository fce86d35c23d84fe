"""Views of posts: one row for each user and day, until a post has so many that a HyperLogLog counts them.

Redis computes the sketches, PostgreSQL keeps them: a lost Redis loses no view.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from protocol.events import PostEngagementEvent
from storage.database import Transaction
from storage.outbox import encode
from storage.redis_link import LinkScript
from storage.shards import Shards

ADD = LinkScript(Path(__file__).parent / "lua" / "add_to_sketch.lua")
SCRIPTS = (ADD,)


class Sketch(NamedTuple):
    """bytes: as Redis keeps a HyperLogLog."""

    bytes: bytes
    estimate: int


class DueSketch(NamedTuple):
    post_id: int
    bytes: bytes | None
    members: list[str]  # of views that it does not contain yet


async def report(tx: Transaction, user_id: int, events: Mapping[int, PostEngagementEvent]) -> None:
    """Count the views of posts that the viewer may see and has not written, and add their events, by event id."""
    await tx.execute(
        """WITH seen AS MATERIALIZED (
            SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::integer[], $5::bytea[])
                AS r (event_id, post_id, dwell_ms, payload)
            WHERE may_view(post_id)
        ), counted AS (
            INSERT INTO views (post_id, user_id) SELECT post_id, $1 FROM seen ORDER BY post_id ON CONFLICT DO NOTHING
            RETURNING post_id
        ), noted AS (
            INSERT INTO affinity_changes (user_id, target_type, target_id, kind, amount, is_first)
            SELECT $1, 'post', post_id, 'view', dwell_ms, post_id IN (SELECT post_id FROM counted) FROM seen
        )
        INSERT INTO outbox (id, topic, key, payload) SELECT event_id, $6, $1::bigint::text, payload FROM seen""",
        user_id,
        list(events),
        [event.post_id for event in events.values()],
        [event.dwell_ms for event in events.values()],
        [encode(event) for event in events.values()],
        PostEngagementEvent.topic,
    )


async def take_due(tx: Transaction, posts: int, rows: int) -> list[DueSketch]:
    """For workers: take the rows of up to `posts` posts that have a sketch. If there are more rows, some stay due."""
    due = await tx.fetch(
        "SELECT post_id, sketch FROM view_sketches WHERE is_due ORDER BY post_id LIMIT $1 FOR UPDATE SKIP LOCKED", posts
    )
    if not due:
        return []
    post_ids = [row["post_id"] for row in due]
    taken = await tx.fetch(
        """DELETE FROM views WHERE (post_id, user_id, day) IN (
            SELECT post_id, user_id, day FROM views WHERE post_id = ANY ($1) LIMIT $2)
        RETURNING post_id, user_id, day""",
        post_ids,
        rows,
    )
    if len(taken) < rows:
        await tx.execute("UPDATE view_sketches SET is_due = false WHERE post_id = ANY ($1)", post_ids)
    members: defaultdict[int, list[str]] = defaultdict(list)
    for row in taken:
        members[row["post_id"]].append(f"{row['user_id']}:{row['day']}")
    return [DueSketch(row["post_id"], row["sketch"], members[row["post_id"]]) for row in due if members[row["post_id"]]]


async def keep(tx: Transaction, post_id: int, sketch: Sketch) -> None:
    """For workers."""
    await tx.execute("SELECT keep_sketch($1, $2, $3)", post_id, sketch.bytes, sketch.estimate)


class Sketches:
    """Adds members to sketches, by Redis."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards

    async def add(self, due: Sequence[DueSketch]) -> list[Sketch]:
        """The sketches with their new members. Raises RedisError."""
        return await asyncio.gather(*map(self._add, due))

    async def _add(self, due: DueSketch) -> Sketch:
        shard = self._shards.of(str(due.post_id))
        key = self._shards.key(shard, "sketch", due.post_id)
        # The script answers with the sketch and its estimate.
        return Sketch(*await self._shards.run(shard, ADD, (key,), (due.bytes or b"", *due.members)))
