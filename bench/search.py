"""`python -m bench.search`: searches, suggestions and explore in a running deployment, while posts are written.

    .venv/bin/daira up &
    .venv/bin/daira seed --posts 1000000 --people 100000
    .venv/bin/python -m bench.search

The peer is PostgreSQL's own text search over the same posts on the same server: `arabic` configuration, `ts_rank`.
Machines are noisy, so compare the ratios.
"""

import argparse
import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import asyncpg
import socketio
import uvloop
from rich.console import Console
from rich.table import Table

from gateway import demo
from gateway.demo_texts import Texts
from gateway.settings import Settings
from protocol.events import PostCreatedEvent
from protocol.tokens import AccessTokens
from storage import outbox, seeding

CLIENTS = 60  # so that none reaches the limit of searches
WRITTEN_EVERY_S = 0.1
LOOKED_EVERY_S = 0.02
_PEER = """
    DROP TABLE IF EXISTS bench_search_peer;
    CREATE UNLOGGED TABLE bench_search_peer AS
        SELECT id, to_tsvector('arabic', text) AS words FROM posts WHERE status = 'published';
    CREATE INDEX bench_search_peer_words ON bench_search_peer USING gin (words);
    ANALYZE bench_search_peer;
"""
_ASK_PEER = """
    SELECT id FROM bench_search_peer, plainto_tsquery('arabic', $1) q WHERE words @@ q
    ORDER BY ts_rank(words, q) DESC LIMIT 20
"""


class Written:
    """Posts written at a steady rate, as if users had: rows and events in one transaction. Measures the index's lag."""

    def __init__(self, connection: Any, author_ids: list[int], rate: int) -> None:
        self._connection = connection
        self._authors = author_ids
        self._rate = rate
        self._texts = Texts()
        self.lags: list[float] = []  # seconds
        self.amount = 0

    async def run(self, looks: Any) -> None:
        due = time.monotonic()
        looking: set[asyncio.Task[None]] = set()
        while True:
            post_id = await self._write(round(self._rate * WRITTEN_EVERY_S))
            if not looking:
                task = asyncio.create_task(self._look(looks, post_id))
                looking.add(task)
                task.add_done_callback(looking.discard)
            due += WRITTEN_EVERY_S
            await asyncio.sleep(max(due - time.monotonic(), 0))

    async def _write(self, amount: int) -> int:
        ids = [*{*seeding.past_ids(amount, timedelta(milliseconds=90))}]
        chosen = [(post_id, random.choice(self._authors), *self._texts.one()) for post_id in ids]
        async with self._connection.transaction():
            await self._connection.executemany(
                """INSERT INTO posts (id, author_id, text, visibility, reply_policy, hashtags)
                VALUES ($1, $2, $3, 'public', 'everyone', $4)""",
                chosen,
            )
            events = [PostCreatedEvent(post_id=post_id, author_id=author_id) for post_id, author_id, *_ in chosen]
            await self._connection.executemany(
                "INSERT INTO outbox (id, topic, key, payload) VALUES (mint_id(), $1, $2, $3)",
                [(event.topic, event.key, outbox.encode(event)) for event in events],
            )
        await self._connection.execute(f"NOTIFY {outbox.CHANNEL}")
        self.amount += len(chosen)
        return ids[-1]

    async def _look(self, connection: Any, post_id: int) -> None:
        """Wait until the post can be found."""
        began = time.monotonic()
        while not await connection.fetchval(
            "SELECT true FROM search_documents WHERE kind = 'post' AND id = $1", post_id
        ):
            await asyncio.sleep(LOOKED_EVERY_S)
        self.lags.append(time.monotonic() - began)


def queries(texts: Texts) -> Callable[[], str]:
    """One to three words of a text, as people type them: frequent and rare ones, in Arabic, Franco and English."""

    def one() -> str:
        words = [word.strip("؟?،,.") for word in texts.one()[0].split() if not word.startswith("#")]
        return " ".join(random.sample(words, min(len(words), random.choice((1, 1, 2, 2, 3)))))[:100] or "مصر"

    return one


async def timed(work: Callable[[], Awaitable[object]], rounds: int) -> list[float]:
    """Milliseconds of each round, ascending."""
    for _ in range(20):
        await work()
    samples = []
    for _ in range(rounds):
        began = time.perf_counter()
        await work()
        samples.append((time.perf_counter() - began) * 1_000)
    return sorted(samples)


@asynccontextmanager
async def clients_of(settings: Settings, url: str) -> AsyncIterator[list[Any]]:
    """Clients of users whom the seed has made."""
    async with asyncio.timeout(60):
        usernames = [username for username, _ in await demo.list_users(settings.owner_database, CLIENTS)]
        tokens = await demo.mint_tokens(
            settings.owner_database, AccessTokens(settings.keys), usernames, create=False, lifetime=timedelta(hours=1)
        )
        clients = [socketio.AsyncClient(serializer="msgpack") for _ in tokens]
        for client, token in zip(clients, tokens, strict=True):
            await client.connect(url, auth={"token": token}, transports=["websocket"])
    try:
        yield clients
    finally:
        for client in clients:
            await client.disconnect()


def at(samples: list[float], share: float) -> float:
    return samples[min(int(len(samples) * share), len(samples) - 1)] if samples else float("nan")


async def main(rounds: int, rate: int) -> None:
    settings = Settings()
    writer, looker, peer = [await asyncpg.connect(settings.owner_database) for _ in range(3)]
    authors = [row[0] for row in await writer.fetch("SELECT id FROM users ORDER BY id LIMIT 10000")]
    console = Console()
    console.print("building the peer's index …")
    await peer.execute(_PEER)
    ask = queries(Texts(7))
    typed = queries(Texts(8))

    async with clients_of(settings, f"http://127.0.0.1:{settings.port}") as clients:
        turns = itertools.cycle(clients)

        async def call(method: str, **argument: Any) -> None:
            answer = await next(turns).call(method, argument, timeout=20)
            if not answer["ok"]:
                raise RuntimeError(answer["error"])

        rows = [
            ("search.query, posts", lambda: call("search.query", q=ask(), kind="post")),
            ("search.query, people", lambda: call("search.query", q=ask(), kind="user")),
            ("search.query, everything", lambda: call("search.query", q=ask())),
            ("search.suggest", lambda: call("search.suggest", q=typed()[: random.randint(2, 8)])),
            ("explore.get", lambda: call("explore.get")),
            ("explore.trends", lambda: call("explore.trends")),
            ("explore.people", lambda: call("explore.people")),
            ("system.ping", lambda: call("system.ping")),
            ("PostgreSQL's arabic, ts_rank", lambda: peer.fetch(_ASK_PEER, ask())),
        ]
        table = Table("measured", "p50 ms", "p95 ms", "p99 ms", "p95 of the peer")
        for title, is_written in (("at rest", False), (f"while {rate} posts/s are written", True)):
            written = Written(writer, authors, rate)
            writing = asyncio.create_task(written.run(looker)) if is_written else None
            began = time.monotonic()
            measured = {what: await timed(work, rounds) for what, work in rows}
            base = at(measured[rows[-1][0]], 0.95)
            table.add_section()
            for what, samples in measured.items():
                figures = (f"{at(samples, share):.1f}" for share in (0.5, 0.95, 0.99))
                table.add_row(f"{what}, {title}", *figures, f"{at(samples, 0.95) / base:.2f} ×")
            if writing is not None:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
                lags = sorted(lag * 1_000 for lag in written.lags)
                table.add_row("index lag", *(f"{at(lags, share):.0f}" for share in (0.5, 0.95, 0.99)), "")
                console.print(f"written: {written.amount / (time.monotonic() - began):.0f} posts/s")
    await peer.execute("DROP TABLE bench_search_peer")
    console.print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--rate", type=int, default=200, help="posts per second")
    arguments = parser.parse_args()
    uvloop.run(main(arguments.rounds, arguments.rate))
