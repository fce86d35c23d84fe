"""Connections of commands as the owner of the tables, whom no row policy restricts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from storage import schema

if TYPE_CHECKING:
    from storage.seeding import Connection

TIMEOUT_S = 5.0


@asynccontextmanager
async def owner_connection(url: str) -> "AsyncIterator[Connection]":
    """Connect to `Settings.owner_database`, and disconnect afterwards. Raises OSError, TimeoutError."""
    connection = await schema.connect(url, TIMEOUT_S)
    try:
        yield connection
    finally:
        await connection.close()
