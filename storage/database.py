"""PostgreSQL: a bounded pool that users share fairly, and transactions with a viewer.

The viewer is set inside the transaction (`app.user_id`), so row policies also work behind PgBouncer's transaction mode.
A lost server or an exhausted pool raises `DatabaseUnavailable`.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import asyncpg
import structlog

from protocol import errors
from storage import deadlines
from storage.breaker import ProbedBreaker
from storage.budgets import Budget
from storage.fair_queue import FairQueue, NoTurn
from storage.statement_names import statement_name
from tracing import traces

# asyncpg's classes are generic only for type checkers.
if TYPE_CHECKING:
    _BaseConnection = asyncpg.Connection[asyncpg.Record]
    Transaction: TypeAlias = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    _BaseConnection = asyncpg.Connection
    Transaction = asyncpg.pool.PoolConnectionProxy
Row: TypeAlias = asyncpg.Record
T = TypeVar("T")

log = structlog.get_logger()

OPEN_AT_START = 10
ACQUIRE_TIMEOUT_S = 2.0
STATEMENT_TIMEOUT_S = 8.0  # below the deadline of a call
# For transactions outside calls. PostgreSQL then ends the transaction and its locks, even if this process has stopped.
TRANSACTION_TIMEOUT_S = 60.0
GRACE_S = 1.0  # for which a transaction may outlive the deadline of its call
BOUNDED = "bounded"  # the constraint that triggers name when a count is at its bound; clients get the message


class DatabaseUnavailable(Exception):
    """PostgreSQL is down or starting, or all connections are in use."""


class DatabaseBusy(DatabaseUnavailable):
    """All connections are in use."""


class PrimaryNeeded(Exception):
    """A read on the replica has to begin again on the primary."""


class Conflict(Exception):
    """The transaction collided with another one, or a migration, and was rolled back; it may be repeated."""


_COLLIDED: tuple[type[Exception], ...] = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidCachedStatementError,  # a migration has changed what the statement returns
)
LOST: tuple[type[Exception], ...] = (
    OSError,  # TimeoutError among them
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InternalClientError,  # asyncpg's state after a broken connection
)
_POSTGRES: traces.Attributes = {"db.system.name": "postgresql"}
_CANNOT_ROLL_BACK: tuple[type[Exception], ...] = (*LOST, asyncpg.PostgresError)


class _Connection(_BaseConnection):
    """Its statements are steps of the current trace."""

    is_of_replica = False

    def get_reset_query(self) -> str:
        # All our settings are local to their transaction, so there is nothing to reset: this saves a round trip.
        return ""

    async def execute(self, query: str, *args: object, **options: Any) -> str:
        return await _traced(query, super().execute(query, *args, **options))

    async def executemany(self, command: str, args: Any, **options: Any) -> None:
        await _traced(command, super().executemany(command, args, **options))

    async def fetch(self, query: str, *args: object, **options: Any) -> "list[Any]":
        return await _traced(query, super().fetch(query, *args, **options))

    async def fetchval(self, query: str, *args: object, **options: Any) -> Any:
        return await _traced(query, super().fetchval(query, *args, **options))

    async def fetchrow(self, query: str, *args: object, **options: Any) -> Any:
        return await _traced(query, super().fetchrow(query, *args, **options))


def _traced(statement: str, work: Awaitable[T]) -> Awaitable[T]:
    if traces.recording() is None:
        return work
    return traces.traced(work, statement_name(statement), _POSTGRES)


def require_primary(tx: Transaction) -> None:
    """For a read whose result is stored elsewhere: it must see what was committed until now, not until the call began.

    Raises PrimaryNeeded on the replica; `Database.read` then begins again on the primary.
    """
    if tx.is_of_replica:  # type: ignore[attr-defined]  # the proxy passes on what it lacks
        raise PrimaryNeeded


class Database:
    """A pool of connections with one role.

    queue: of a database that it shares connections with.
    """

    def __init__(
        self, url: str, *, largest: int, name: str = "daira", queue: FairQueue | None = None, is_replica: bool = False
    ) -> None:
        self._url = url
        self._name = name
        self._largest = largest
        self._queue = queue or FairQueue(largest)
        self._is_replica = is_replica
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._returning: set[asyncio.Task[None]] = set()
        self._busy: set[Transaction] = set()
        self._breaker = ProbedBreaker("replica" if is_replica else "postgres", self._probe, self._drop_busy)

    async def connect(self) -> None:
        """Raises DatabaseUnavailable."""
        try:
            self._pool = await asyncpg.create_pool(
                self._url,
                # Opened early: otherwise the first calls of a crowd would wait for each connection.
                min_size=min(OPEN_AT_START, self._largest),
                max_size=self._largest,
                command_timeout=STATEMENT_TIMEOUT_S,
                timeout=ACQUIRE_TIMEOUT_S,
                init=_mark_as_replica if self._is_replica else None,
                connection_class=_Connection,
                server_settings={"application_name": self._name},
                max_inactive_connection_lifetime=300,
            )
        except LOST as error:
            raise DatabaseUnavailable(str(error)) from error

    async def close(self) -> None:
        self._breaker.close()
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(2):
                await self._pool.close()
        except LOST:
            self._pool.terminate()

    def abort(self) -> None:
        """Close at once: what is under way fails."""
        self._breaker.close()
        if self._pool is not None:
            self._pool.terminate()

    @property
    def size(self) -> tuple[int, int]:
        """The numbers of open connections and of idle ones among them."""
        return (self._pool.get_size(), self._pool.get_idle_size()) if self._pool else (0, 0)

    def take_delay(self) -> float:
        """The longest wait for a connection, in seconds, since this was last asked."""
        return self._queue.take_delay()

    @asynccontextmanager
    async def transaction(
        self, viewer_id: int | None = None, *, budget: Budget | None = None, reads: bool = False
    ) -> AsyncIterator[Transaction]:
        """A transaction of that viewer, committed at the end, or rolled back if the body raises.

        reads: the transaction cannot write, so the caller does not wait for its end. It is `read` that uses a replica.
        budget: of the user whose call needs it: it waits in the user's queue and is charged to the user. None for work
        that is no call. A call must not open a second transaction inside: it could wait for the first.

        PostgreSQL itself cancels what outlasts the deadline of the call. Raises DatabaseUnavailable, also if the
        connection breaks inside the body; TimeoutError; Conflict; RESOURCE_EXHAUSTED; FAILED_PRECONDITION if a count
        would exceed its bound.
        """
        async with self._connection(budget, reads=reads) as connection:
            with _translated(connection):
                try:
                    await connection.execute(_begin(viewer_id, reads=reads))
                except BaseException:
                    _terminate(connection)  # perhaps it begins later
                    raise
                self._breaker.answered()
                yield connection
                if not reads:
                    await connection.execute("COMMIT")

    async def read(
        self, viewer_id: int | None, body: Callable[[Transaction], Awaitable[T]], *, budget: Budget | None = None
    ) -> T:
        """Return the result of `body`, which gets a transaction that cannot write. Nobody waits for its end.

        `body` may run twice, so it must be safe to repeat. Raises what `transaction` raises.
        """
        async with self.transaction(viewer_id, budget=budget, reads=True) as tx:
            return await body(tx)

    async def fetch(self, statement: str, *arguments: object) -> "list[Row]":
        """Run one statement without a viewer, in one round trip. Raises DatabaseUnavailable, Conflict."""
        async with self._connection(None) as connection:
            with _translated(connection):
                rows = await connection.fetch(statement, *arguments)
                self._breaker.answered()
                return rows

    async def ping(self) -> None:
        async with self.transaction() as tx:
            await tx.execute("SELECT 1")

    async def notify(self, channel: str) -> None:
        """Wake listeners. Outside any transaction, because NOTIFY inside one serialises commits."""
        try:
            async with self._connection(None) as connection:
                await connection.execute("SELECT pg_notify($1, '')", channel, timeout=ACQUIRE_TIMEOUT_S)
        except LOST as error:
            raise DatabaseUnavailable(str(error)) from error

    @asynccontextmanager
    async def _connection(self, budget: Budget | None, *, reads: bool = False) -> AsyncIterator[Transaction]:
        assert self._pool is not None, "connect() first"
        self._check()
        asked = time.time_ns()
        try:
            await self._queue.enter(budget)
        except NoTurn as error:
            raise DatabaseBusy(str(error)) from error
        began = time.monotonic()
        watch = self._breaker.watch()
        try:
            self._check()
            # The queue gives no more turns than there are connections, and connecting has a timeout of its own. A
            # timeout here would cost a task.
            connection = await self._pool.acquire()
        except BaseException as error:
            watch.cancel()
            self._queue.leave(budget, time.monotonic() - began)
            if isinstance(error, LOST):
                self._breaker.suspect()
                raise DatabaseUnavailable(str(error)) from error
            raise
        self._busy.add(connection)
        traces.waited("wait for a connection", asked)
        try:
            yield connection
        finally:
            watch.cancel()
            self._busy.discard(connection)
            holds_locks = not reads and _is_in_transaction(connection)
            end = "COMMIT" if reads else "ROLLBACK"
            returning = asyncio.ensure_future(self._return(connection, budget, began, end))
            self._returning.add(returning)
            returning.add_done_callback(self._returning.discard)
            if holds_locks:
                await asyncio.shield(returning)

    def _check(self) -> None:
        if not self._breaker.admits():
            raise DatabaseUnavailable("PostgreSQL does not answer")

    async def _probe(self) -> None:
        # A new connection: PgBouncer answers on old ones without PostgreSQL, and all of the pool may be stuck.
        connection = await asyncpg.connect(self._url, server_settings={"application_name": self._name})
        try:
            await connection.fetchval("SELECT 1")
        finally:
            connection.terminate()

    async def _drop_busy(self) -> None:
        """Fail the work under way, and replace idle connections: after a failover, they lead to the old server."""
        for connection in list(self._busy):
            _terminate(connection)
        assert self._pool is not None
        await self._pool.expire_connections()

    async def _return(self, connection: Transaction, budget: Budget | None, began: float, end: str) -> None:
        """End the transaction if one is open, and return the connection to the pool."""
        try:
            if _is_in_transaction(connection):
                try:
                    await connection.execute(end, timeout=ACQUIRE_TIMEOUT_S)
                except _CANNOT_ROLL_BACK:
                    _terminate(connection)
            await self._release(connection)
        finally:
            self._queue.leave(budget, time.monotonic() - began)

    async def _release(self, connection: Transaction) -> None:
        assert self._pool is not None
        with suppress(
            asyncpg.InterfaceError, asyncpg.InternalClientError
        ):  # a lost one may have left the pool by itself
            await self._pool.release(connection, timeout=ACQUIRE_TIMEOUT_S)


@contextmanager
def _translated(connection: Transaction) -> Iterator[None]:
    """Turn errors of PostgreSQL into ours."""
    try:
        yield
    except TimeoutError:
        raise  # a slow statement: the server is up
    except (asyncpg.QueryCanceledError, asyncpg.TransactionTimeoutError) as error:
        raise TimeoutError(str(error)) from error
    except LOST as error:
        _terminate(connection)
        raise DatabaseUnavailable(str(error)) from error
    except AttributeError as error:
        # asyncpg's error if the connection is terminated between the steps of a statement.
        if not _is_closed(connection):
            raise
        raise DatabaseUnavailable("the connection was lost") from error
    except _COLLIDED as error:
        raise Conflict(str(error)) from error
    except asyncpg.InsufficientPrivilegeError as error:
        if "row-level security" not in error.args[0]:
            raise
        log.warning("a row policy refused what the call had allowed: rights have changed since", error=str(error))
        raise Conflict(str(error)) from error
    except asyncpg.CheckViolationError as error:
        if error.constraint_name != BOUNDED:
            raise
        raise errors.failed_precondition(error.args[0]) from error
    except asyncpg.DataError as error:
        raise errors.invalid("$", "holds a value out of range") from error


def _begin(viewer_id: int | None, *, reads: bool) -> str:
    """Begin a transaction, in one simple query. Raises TimeoutError if the deadline has passed.

    The outbox takes the trace of its events from `app.trace`. All values are numbers or formatted from numbers, so they
    cannot inject SQL.
    """
    left_s = deadlines.left_s()
    settings: dict[str, int | str] = {
        "statement_timeout": _ms(STATEMENT_TIMEOUT_S if left_s is None else min(left_s, STATEMENT_TIMEOUT_S)),
        "transaction_timeout": _ms(TRANSACTION_TIMEOUT_S if left_s is None else left_s + GRACE_S),
    }
    if viewer_id:
        settings["app.user_id"] = int(viewer_id)
    if not reads and (context := traces.current_context()):
        settings["app.trace"] = context
    set_all = ", ".join(f"set_config('{name}', '{value}', true)" for name, value in settings.items())
    return f"BEGIN{' READ ONLY' if reads else ''}; SELECT {set_all}"


def _ms(seconds: float) -> int:
    return int(seconds * 1_000) + 1  # 0 would be no limit


def _is_in_transaction(connection: Transaction) -> bool:
    with suppress(asyncpg.InterfaceError):  # a lost one may have left the pool by itself
        return not connection.is_closed() and connection.is_in_transaction()
    return False


def _is_closed(connection: Transaction) -> bool:
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:  # a lost one may have left the pool by itself
        return True


def _terminate(connection: Transaction) -> None:
    with suppress(asyncpg.InterfaceError):  # a lost one may have left the pool by itself
        connection.terminate()


async def _mark_as_replica(connection: "asyncpg.Connection[Any]") -> None:
    connection.is_of_replica = True  # type: ignore[attr-defined]


async def listen(url: str, channel: str, wake: asyncio.Event, name: str) -> "asyncpg.Connection[Any]":
    """A separate connection that sets `wake` at each NOTIFY. name: for PostgreSQL. Raises DatabaseUnavailable."""
    try:
        connection = await asyncpg.connect(url, timeout=ACQUIRE_TIMEOUT_S, server_settings={"application_name": name})
        await connection.add_listener(channel, lambda *_: wake.set())
    except LOST as error:
        raise DatabaseUnavailable(str(error)) from error
    return connection
