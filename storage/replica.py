"""Follows a streaming replica of PostgreSQL, and says whether it is as current as the primary.

A read that arrives makes the node ask the primary up to where its log is flushed, and waits until the replica has
replayed it. So a read on the replica sees all that was committed before its call arrived, on whichever node: the
user's own writes, pushed changes, and blocks. One query of the position serves all waiting reads.

States: down → behind ⇄ current → down … While the primary is late with its answers, the replica counts as behind.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from enum import StrEnum
from typing import Any

import asyncpg
import structlog

from storage.database import ACQUIRE_TIMEOUT_S, LOST, Database, DatabaseUnavailable
from storage.fair_queue import FairQueue
from storage.metrics import REPLICA_LAG, REPLICA_WAIT

LEAST_GAP_S = 0.003  # between two questions, however many reads arrive
IDLE_S = 0.1
PROBE_TIMEOUT_S = 0.3
RETRY_S = 0.2
FIRST_LOOK_S = 0.001  # after which the replica is asked again; doubled each time

# Flushed, not inserted: what is answered as committed is flushed, and the replica gets no more than that.
_FLUSHED = """SELECT substr(pg_walfile_name(position), 1, 8) AS timeline,
    pg_wal_lsn_diff(position, '0/0')::bigint AS position
FROM pg_current_wal_flush_lsn() AS position"""
_REPLAYED = "SELECT CASE WHEN pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_last_wal_replay_lsn(), '0/0')::bigint END"
_CLUSTER = "SELECT system_identifier FROM pg_control_system()"
_TIMELINE = """SELECT upper(lpad(to_hex(greatest(timeline_id, min_recovery_end_timeline)), 8, '0'))
FROM pg_control_checkpoint(), pg_control_recovery()"""

log = structlog.get_logger()


class ReplicaLost(Exception):
    """It is down, or no replica of the primary."""


class _PrimaryLate(Exception):
    """The primary, or a pool in front of it, does not answer in time. The replica may be well."""


_LOST: tuple[type[Exception], ...] = (ReplicaLost, DatabaseUnavailable, *LOST, asyncpg.PostgresError)


class ReplicaState(StrEnum):
    DOWN = "down"
    BEHIND = "behind"
    CURRENT = "current"


@asynccontextmanager
async def _probe(url: str, name: str) -> "AsyncIterator[asyncpg.Connection[Any]]":
    probe = await asyncpg.connect(
        url, timeout=ACQUIRE_TIMEOUT_S, command_timeout=PROBE_TIMEOUT_S, server_settings={"application_name": name}
    )
    try:
        yield probe
    finally:
        probe.terminate()


async def _compare(primary: "asyncpg.Connection[Any]", replica: "asyncpg.Connection[Any]") -> None:
    """Raises ReplicaLost if they are not of one cluster."""
    if await _of_primary(primary.fetchval(_CLUSTER)) != await replica.fetchval(_CLUSTER):
        raise ReplicaLost("it belongs to another cluster than the primary: see DAIRA_POSTGRES_REPLICA_URL")


async def _of_primary(question: Awaitable[Any]) -> Any:
    """Its answer. Raises _PrimaryLate."""
    try:
        return await question
    except TimeoutError as error:
        raise _PrimaryLate("the primary does not answer in time") from error


async def bytes_behind(primary_url: str, url: str, name: str) -> int:
    """Return the bytes of the primary's log that the replica has not replayed. Raises ReplicaLost if it is none."""
    async with _probe(primary_url, name) as primary, _probe(url, name) as replica:
        await _compare(primary, replica)
        flushed = await primary.fetchrow(_FLUSHED)
        replayed = await replica.fetchval(_REPLAYED)
        assert flushed is not None
        if replayed is None:
            raise ReplicaLost("it is no replica: it accepts writes")
        return int(max(flushed["position"] - replayed, 0))


class _Round:
    """One question, and the reads that wait for its answer."""

    def __init__(self) -> None:
        self.is_decided = asyncio.Event()
        self.is_current = False

    def decide(self, is_current: bool) -> None:
        self.is_current = is_current
        self.is_decided.set()


class Replica:
    """`database` is for use after `is_current`."""

    def __init__(
        self, primary_url: str, url: str, longest_wait: float, *, largest: int, name: str, queue: FairQueue
    ) -> None:
        """longest_wait: seconds that a read waits for the replica at most. queue: of the primary."""
        self.database: Database | None = None
        self.state = ReplicaState.DOWN
        self._primary_url = primary_url
        self._url = url
        self._longest_wait = longest_wait
        self._largest = largest
        self._name = name
        self._queue = queue
        self._round = _Round()
        self._wanted = asyncio.Event()
        self._timeline = ""  # after a failover, positions of the old timeline say nothing about the new one
        self._position = 0  # up to where the replica has replayed, in bytes
        self._looked_at = 0.0
        self._current_at = 0.0
        self._reported = ""

    async def is_current(self) -> bool:
        """Whether the replica has replayed all that was committed before this call.

        False at once while the replica is down or behind, otherwise after `longest_wait` at most.
        """
        if self.state is not ReplicaState.CURRENT:
            return False
        own = self._round
        self._wanted.set()
        with REPLICA_WAIT.time():
            await own.is_decided.wait()
        return own.is_current

    @property
    def size(self) -> tuple[int, int]:
        """The numbers of open connections and of idle ones among them."""
        return self.database.size if self.database else (0, 0)

    async def follow(self) -> None:
        """Follow the replica, and connect again when a server is lost, endlessly."""
        self._current_at = self._now
        while True:
            try:
                async with self._connected() as replica:
                    while True:
                        await self._ask_until_late(replica)
                        await asyncio.sleep(RETRY_S)
            except _LOST as error:
                self._report(f"{type(error).__name__}: {error}")
            REPLICA_LAG.set(self._now - self._current_at)
            await asyncio.sleep(RETRY_S)

    async def _ask_until_late(self, replica: "asyncpg.Connection[Any]") -> None:
        """Ask, round after round, until the primary is late.

        Reads that run on the replica go on meanwhile: a saturated primary would have to repeat them.
        """
        try:
            async with AsyncExitStack() as closing:
                primary = await _of_primary(closing.enter_async_context(_probe(self._primary_url, self._name)))
                await _compare(primary, replica)
                while True:
                    await self._ask(primary, replica)
                    self._reported = ""
        except _PrimaryLate as error:
            self._leave(ReplicaState.BEHIND)
            self._report(str(error))

    def _report(self, why: str) -> None:
        if why != self._reported:
            log.warning("reads go to the primary", error=why)
        self._reported = why

    @asynccontextmanager
    async def _connected(self) -> "AsyncIterator[asyncpg.Connection[Any]]":
        try:
            async with _probe(self._url, self._name) as replica:
                self._timeline, self._position = await replica.fetchval(_TIMELINE), 0
                self.database = database = self._new_database()
                await database.connect()
                self.state = ReplicaState.BEHIND
                yield replica
        finally:
            self._leave(ReplicaState.DOWN)
            lost, self.database = self.database, None
            if lost is not None:
                lost.abort()  # reads on a replica that hangs fail now, and begin again on the primary

    def _new_database(self) -> Database:
        return Database(self._url, largest=self._largest, name=self._name, queue=self._queue, is_replica=True)

    async def _ask(self, primary: "asyncpg.Connection[Any]", replica: "asyncpg.Connection[Any]") -> None:
        """One round. Reads that arrive after the question was sent wait for the next one."""
        own, self._round = self._round, _Round()
        self._wanted.clear()
        began = self._now
        try:
            flushed = await _of_primary(primary.fetchrow(_FLUSHED))
            if flushed["timeline"] != self._timeline:
                raise ReplicaLost("it has not followed the primary through a failover yet")
            is_current = await self._reach(replica, flushed["position"])
        except BaseException:
            own.decide(False)
            raise
        own.decide(is_current)
        if is_current:
            self.state, self._current_at = ReplicaState.CURRENT, began
        else:
            self._leave(ReplicaState.BEHIND)
        REPLICA_LAG.set(self._now - self._current_at)
        with suppress(TimeoutError):
            async with asyncio.timeout(IDLE_S):
                await self._wanted.wait()
        await asyncio.sleep(max(began + LEAST_GAP_S - self._now, 0))

    async def _reach(self, replica: "asyncpg.Connection[Any]", position: int) -> bool:
        """Whether the replica reaches the position in time."""
        deadline = self._now + self._longest_wait
        pause = FIRST_LOOK_S
        # Asked now and then even if it need not be: it may hang while nothing is written.
        while self._position < position or self._looked_at + IDLE_S < self._now:
            found = await replica.fetchval(_REPLAYED)
            if found is None:
                raise ReplicaLost("it is no replica any more")
            self._position, self._looked_at = found, self._now
            if found < position:
                if self._now + pause > deadline:
                    return False
                await asyncio.sleep(pause)
                pause *= 2
        return True

    def _leave(self, state: ReplicaState) -> None:
        """Send reads to the primary, also those that wait."""
        self.state = state
        self._round.decide(False)
        self._round = _Round()

    @property
    def _now(self) -> float:
        return asyncio.get_running_loop().time()
