"""Connections to PostgreSQL that are lost."""

import asyncio

from tests.cluster import Cluster


async def test_a_connection_lost_while_it_is_given_back_leaves_the_call_that_it_served_well(
    cluster: Cluster, monkeypatch
):
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
