"""The SQL of DAIRA's calls: its text, for peers that run the same statements, and the time that it takes alone.

Handlers run in this process, without a gateway, and asyncpg reports each statement with its duration. So neither the
text nor the time can differ from what DAIRA runs.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
from asyncpg.connection import LoggedQuery

import handlers
from gateway.settings import Settings
from gateway.stores import open_database, open_stores
from gateway.wiring import build_parts
from handlers.call import Call, CallerSocket, Services, Viewer
from protocol.rpc import methods
from tests.cluster import PLENTY
from tracing import traces

assert handlers.MODULES  # importing them declares the methods

VIEWER = "{viewer}"  # stands for the viewer's id in the texts
_NO_SOCKET = cast("CallerSocket", None)  # for calls that do nothing to their socket


class RealCall(NamedTuple):
    method: str
    argument: dict[str, Any]


class Ran(NamedTuple):
    """A call's answer, its statements from BEGIN to COMMIT, and the seconds that they took."""

    answer: Any
    statements: list[str]
    seconds: float


def real_calls(users: Sequence[int]) -> dict[str, RealCall]:
    """Return the calls that are measured beside peers, by the key of their figures. The first user makes them."""
    return {
        "latest": RealCall("feed.get", {"mode": "latest"}),
        "create": RealCall("post.create", {"text": "صباح الخير يا مصر #tag"}),
        "user": RealCall("user.get", {"user_id": str(users[1])}),
    }


class Handlers:
    """Runs handlers for one user, on the same connection, each in a transaction if it takes one."""

    def __init__(self, services: Services, user_id: int) -> None:
        self._services = services
        self._viewer = Viewer(user_id, 0, datetime.max.replace(tzinfo=UTC))
        self._queries: list[LoggedQuery] = []

    async def listen(self) -> None:
        async with self._services.database.transaction() as tx:
            tx.add_query_logger(self._queries.append)
        await asyncio.sleep(0)  # asyncpg reports in the next turn of the loop

    async def run(self, real: RealCall) -> Ran:
        method = methods.get(real.method)
        assert method is not None
        budget = self._services.budgets.of(self._viewer.id)
        call = Call(
            real.method, traces.begin(real.method), self._services, self._viewer, budget, "127.0.0.1", None, _NO_SOCKET
        )
        self._queries.clear()
        request = msgspec.convert(real.argument, method.request)
        if method.reads and method.transactional:
            answer = await self._services.database.read(self._viewer.id, partial(method.handler, call, request))
        elif method.transactional:
            async with self._services.database.transaction(self._viewer.id) as tx:
                answer = await method.handler(call, request, tx)
        else:
            answer = await method.handler(call, request)
        while self._services.database.size[1] == 0:  # a transaction that reads ends behind its caller's back
            await asyncio.sleep(0)
        await asyncio.sleep(0)  # asyncpg reports in the next turn of the loop
        queries = [query for query in self._queries if "pg_notify" not in query.query]
        if not method.reads:
            self._services.outbox.wake_relay()  # as after a call: the workers' work costs the statements time, too
        texts = [query.query.replace(str(self._viewer.id), VIEWER) for query in queries]
        return Ran(msgspec.to_builtins(answer), texts, sum(query.elapsed for query in queries))


@asynccontextmanager
async def open_handlers(data_dir: Path, user_id: int) -> AsyncIterator[Handlers]:
    plenty = dict.fromkeys((each.name for each in methods.limits), PLENTY)
    settings = Settings(_env_file=None, data_dir=data_dir, limit=plenty)
    async with open_stores(settings) as stores, open_database(settings.app_database, 1, serves=True) as database:
        services = build_parts(stores, database, "bench").services
        await services.rulebook.load()
        running = Handlers(services, user_id)
        await running.listen()
        yield running
