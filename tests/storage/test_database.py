"""Lost connections to PostgreSQL."""

import asyncio

import asyncpg
import pytest

from storage.database import DatabaseUnavailable
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


async def test_a_transaction_that_reads_cannot_write_and_ends_behind_its_caller(cluster: Cluster):
    database = cluster.worker_database
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with database.transaction(reads=True) as tx:
            await tx.execute("DELETE FROM outbox")
    async with database.transaction(reads=True) as tx:
        connection = tx._con
        await tx.execute("SELECT 1")
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
