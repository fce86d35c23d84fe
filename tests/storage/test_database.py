"""Lost connections to PostgreSQL."""

import asyncio

import pytest

from storage.database import DatabaseUnavailable
from tests.cluster import Cluster


async def test_a_connection_lost_on_release_does_not_fail_its_call(cluster: Cluster, monkeypatch):
    database = cluster.worker_database
    async with database.transaction() as tx:
        connection = tx._con
        given_back = connection._on_release

        def is_lost() -> None:
            given_back()
            asyncio.get_running_loop().call_soon(connection.terminate)

        monkeypatch.setattr(connection, "_on_release", is_lost)
    assert connection.is_closed()
    await database.ping()


async def test_a_connection_lost_in_a_transaction_makes_its_call_unavailable(cluster: Cluster):
    database = cluster.worker_database

    async def lose() -> None:
        async with database.transaction() as tx:
            tx._con.terminate()
            await tx.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailable):
        await lose()
    await database.ping()
