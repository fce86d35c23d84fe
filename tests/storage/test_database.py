"""Lost connections to PostgreSQL, and deadlines that it keeps."""

import asyncio

import asyncpg
import pytest

from storage import deadlines
from storage.database import DatabaseUnavailable, Transaction
from tests.cluster import Cluster
from tests.patience import WAIT_S


async def test_a_connection_lost_on_release_does_not_fail_its_call(cluster: Cluster, monkeypatch):
    database = cluster.worker_database
    async with database.transaction() as tx:
        connection = tx._con
        given_back = connection._on_release

        def is_lost() -> None:
            given_back()
            asyncio.get_running_loop().call_soon(connection.terminate)

        monkeypatch.setattr(connection, "_on_release", is_lost)
    while not connection.is_closed():  # it is released behind its caller's back
        await asyncio.sleep(0)
    await database.ping()


async def test_a_connection_that_is_terminated_between_the_steps_of_a_statement_is_lost(cluster: Cluster, monkeypatch):
    """As when PostgreSQL does not answer other work: all connections in use are dropped."""
    database = cluster.worker_database

    async def work() -> None:
        async with database.transaction() as tx:
            connection = tx._con
            prepare = connection._get_statement

            async def terminated_behind(*arguments, **options):
                statement = await prepare(*arguments, **options)
                connection.terminate()
                return statement

            monkeypatch.setattr(connection, "_get_statement", terminated_behind)
            await tx.fetchval("SELECT $1::text", "work")

    with pytest.raises(DatabaseUnavailable):
        await work()
    with pytest.raises(AttributeError):
        async with database.transaction():
            raise AttributeError("a fault of ours")


async def test_a_transaction_that_reads_cannot_write_and_ends_behind_its_caller(cluster: Cluster):
    database = cluster.worker_database
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await database.read(None, lambda tx: tx.execute("DELETE FROM outbox"))

    async def read(tx):
        await tx.execute("SELECT 1")
        return tx._con

    connection = await database.read(None, read)
    assert connection.is_in_transaction()
    async with asyncio.timeout(WAIT_S):
        while connection.is_in_transaction():
            await asyncio.sleep(0)


async def test_a_connection_lost_in_a_transaction_makes_its_call_unavailable(cluster: Cluster):
    database = cluster.worker_database

    async def lose() -> None:
        async with database.transaction() as tx:
            tx._con.terminate()
            await tx.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailable):
        await lose()
    await database.ping()


async def test_postgresql_itself_cancels_what_outlasts_the_deadline(cluster: Cluster):
    """Both limits are the transaction's own: the next one on the same connection has others."""
    database = cluster.worker_database
    names = "'statement_timeout', 'transaction_timeout'"
    query = f"SELECT setting::int FROM pg_settings WHERE name IN ({names}) ORDER BY name"  # in ms

    async def limits(tx: Transaction) -> list[int]:
        return [row["setting"] for row in await tx.fetch(query)]

    async with database.transaction() as tx:
        assert await limits(tx) == [8_001, 60_001]
    now = asyncio.get_running_loop().time()

    async def hold_for(seconds: float) -> list[int]:
        deadlines.set_deadline(now + seconds)
        async with database.transaction(1, reads=True) as tx:
            return await limits(tx)

    statement, whole = await asyncio.create_task(hold_for(3))
    assert 0 < statement <= 3_001
    assert statement < whole <= 4_001
    statement, whole = await asyncio.create_task(hold_for(100))
    assert (statement, whole) == (8_001, whole)

    async def sleep_long() -> None:
        deadlines.set_deadline(asyncio.get_running_loop().time() + 0.2)
        async with database.transaction() as tx:
            await tx.execute(f"SELECT pg_sleep({WAIT_S})")

    with pytest.raises(TimeoutError, match="canceling statement due to statement timeout"):
        await asyncio.create_task(sleep_long())
    await database.ping()


async def test_a_transaction_whose_process_has_stopped_releases_its_locks(cluster: Cluster, monkeypatch):
    monkeypatch.setattr("storage.database.GRACE_S", 0)
    database = cluster.worker_database
    owner = await cluster.owner()

    async def stop_inside() -> None:
        deadlines.set_deadline(asyncio.get_running_loop().time() + 0.5)
        async with database.transaction() as tx:
            await tx.execute("SELECT pg_advisory_xact_lock(1, 28)")
            await owner.execute("SELECT pg_advisory_lock(1, 28)")  # granted once PostgreSQL has ended the other
            await tx.execute("SELECT 1")

    with pytest.raises((TimeoutError, DatabaseUnavailable)):
        await asyncio.create_task(stop_inside())
    await owner.close()
    await database.ping()


async def test_a_call_whose_deadline_has_passed_begins_nothing(cluster: Cluster):
    async def too_late() -> None:
        deadlines.set_deadline(asyncio.get_running_loop().time() - 1)
        async with cluster.worker_database.transaction():
            pytest.fail("it has begun")

    with pytest.raises(TimeoutError, match="deadline"):
        await asyncio.create_task(too_late())
    assert deadlines.left_s() is None  # of this task


async def test_tasks_of_a_call_do_not_inherit_its_deadline():
    async def call() -> list[float | None]:
        deadlines.set_deadline(asyncio.get_running_loop().time() + 10)
        return [deadlines.left_s(), await asyncio.create_task(_left())]

    own, inherited = await asyncio.create_task(call())
    assert 9 < own <= 10
    assert inherited is None


async def _left() -> float | None:
    return deadlines.left_s()
