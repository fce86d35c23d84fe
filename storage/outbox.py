"""The transactional outbox: an event is committed together with the change that it describes."""

import asyncio
from collections.abc import Collection, Sequence
from contextvars import Context

import msgspec

from protocol.events import EVENTS, LANES, Event
from storage.database import Database, DatabaseUnavailable, Row, Transaction
from storage.snowflakes import Snowflakes

CHANNEL = "daira_outbox"
COALESCE_S = 0.005
KEEP_SENT = "15 minutes"
# The part of a batch that each lane gets while others fill the rest.
SHARES = {"urgent": 0.6, "normal": 0.3, "bulk": 0.1}

_TOPICS = [[topic for topic, event in EVENTS.items() if event.lane == lane] for lane in ("urgent", "bulk")]
_TAKE_UNSENT = """
    WITH oldest AS (
        SELECT id, CASE WHEN topic = ANY ($2) THEN 0 WHEN topic = ANY ($3) THEN 2 ELSE 1 END AS lane
        FROM oldest_unsent($1) WHERE topic <> ALL ($5)
    ), placed AS (
        SELECT id, lane, row_number() OVER (PARTITION BY lane ORDER BY id) AS place FROM oldest
    ), chosen AS (
        SELECT id FROM placed ORDER BY place > $1 * ($4::float8[])[lane + 1], lane, id LIMIT $1
    )
    SELECT o.id, o.topic, o.key, o.payload, o.trace FROM outbox o
    WHERE o.id = ANY (ARRAY (SELECT id FROM chosen)) ORDER BY o.id FOR UPDATE
"""
_LAST_BATCH = "coalesce(pg_sequence_last_value('outbox_batches'), 0)"

_encoder = msgspec.json.Encoder()


class Outbox:
    """Inserts events in the caller's transaction, and wakes the relay after commits, at most once per 5 ms."""

    def __init__(self, database: Database, snowflakes: Snowflakes) -> None:
        self._database = database
        self._snowflakes = snowflakes
        self._waking: asyncio.Task[None] | None = None
        self._is_due = False  # something was committed since the last NOTIFY
        self._woken_at = 0.0  # loop time, s

    async def add(self, tx: Transaction, event: Event) -> int:
        """Insert the event. Returns its id, from which ids of pushes derive."""
        event_id = self._snowflakes.mint()
        await tx.execute(
            "INSERT INTO outbox (id, topic, key, payload) VALUES ($1, $2, $3, $4)",
            event_id,
            event.topic,
            event.key,
            encode(event),
        )
        return event_id

    def wake_relay(self) -> None:
        """Call it after a commit. If the wake-up is lost, the relay finds the event when it polls next."""
        self._is_due = True
        if self._waking is None or self._waking.done():
            # In a context of its own: it goes on for the calls that follow, and belongs to the trace of none.
            self._waking = asyncio.create_task(self._wake(), context=Context())

    async def close(self) -> None:
        if self._waking is not None:
            await self._waking

    async def _wake(self) -> None:
        loop = asyncio.get_running_loop()
        while self._is_due:
            await asyncio.sleep(self._woken_at + COALESCE_S - loop.time())
            self._is_due, self._woken_at = False, loop.time()
            try:
                await self._database.notify(CHANNEL)
            except DatabaseUnavailable:
                return


def encode(event: Event) -> bytes:
    return _encoder.encode({"v": event.v, **msgspec.structs.asdict(event)})


def decode(topic: str, payload: bytes) -> Event:
    """Raises ValueError for an unknown topic or version. The current version and the one before are known."""
    kind = EVENTS.get(topic)
    if kind is None:
        raise ValueError(f"no event has the topic {topic}")
    fields = msgspec.json.decode(payload, type=dict[str, object])
    version = fields.pop("v", None)
    if version not in (kind.v, kind.v - 1):
        raise ValueError(f"{topic} of version {version}; known are {kind.v} and {kind.v - 1}")
    return msgspec.convert(fields, kind)


async def take_relay_turn(tx: Transaction) -> bool:
    """Take the relay's lock until the transaction ends. Returns False while another relay has it."""
    return bool(await tx.fetchval("SELECT pg_try_advisory_xact_lock(hashtext('daira_relay'))"))


async def take_unsent(tx: Transaction, limit: int, without: Collection[str]) -> Sequence[Row]:
    """The next unsent rows, locked, in the order of their ids; empty while another relay has the lock.

    without: topics to leave out.

    Each lane gets its share, oldest first; what others leave goes to urgent events first. Rows are selected by being
    unsent, not by "id > last", because ids do not become visible in their order. One relay works at a time, so that
    events of one topic and key stay in order.
    """
    if not await take_relay_turn(tx):
        return ()
    return await tx.fetch(_TAKE_UNSENT, limit, *_TOPICS, [SHARES[lane] for lane in LANES], list(without))


async def last_batch(tx: Transaction) -> int:
    """The number of the last batch that a relay has begun, whether it was appended or not. 0 before the first."""
    batch: int = await tx.fetchval(f"SELECT {_LAST_BATCH}")
    return batch


async def next_batch(tx: Transaction, *, after: int) -> int | None:
    """Begin a batch, under the relay's lock. Returns its number, or None if the last one is not `after`."""
    batch: int | None = await tx.fetchval(
        f"SELECT CASE WHEN {_LAST_BATCH} = $1::bigint THEN nextval('outbox_batches') END", after
    )
    return batch


async def mark_sent(tx: Transaction, ids: Sequence[int], batch: int) -> None:
    await tx.execute("UPDATE outbox SET sent_batch = $2, sent_at = now() WHERE id = ANY ($1)", ids, batch)


async def note_sent(tx: Transaction, ids: Sequence[int], batch: int) -> int:
    """Mark those of the rows as sent that look unsent. Returns how many."""
    status = await tx.execute(
        """UPDATE outbox SET sent_batch = $2, sent_at = now() WHERE id = ANY ($1) AND sent_batch IS NULL""", ids, batch
    )
    return int(status.split()[-1])


async def unsend_after(tx: Transaction, batch: int) -> int:
    """Mark rows of batches after `batch`, the last that the event log remembers, as unsent. Returns how many."""
    status = await tx.execute("UPDATE outbox SET sent_batch = NULL, sent_at = NULL WHERE sent_batch > $1", batch)
    return int(status.split()[-1])


async def forget_sent(tx: Transaction, limit: int) -> int:
    """Returns how many rows were deleted."""
    status = await tx.execute(
        f"""DELETE FROM outbox WHERE id IN (
            SELECT id FROM outbox WHERE sent_at < now() - interval '{KEEP_SENT}' LIMIT $1)""",
        limit,
    )
    return int(status.split()[-1])


async def backlog(tx: Transaction) -> tuple[int, float]:
    """The number of unsent rows (counted up to 100,000) and the age of the oldest, in seconds."""
    row = await tx.fetchrow("SELECT unsent, age FROM outbox_backlog()")
    assert row is not None
    return row["unsent"], row["age"]
