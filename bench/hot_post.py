"""`python -m bench.hot_post [SECONDS]`: reactions to one post, as fast as 200 users can, and spread over 1,000 posts.

Each user sets a reaction and withdraws it again, one call after the other, so that both runs execute the same
statements. A node has one core; PostgreSQL, Redis, the workers and the load share the other. The runs take turns, so
compare their ratio.
"""

import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import asyncpg
import uvloop
from rich.console import Console
from rich.table import Table

from bench.realtime.contenders import Ours
from bench.realtime.load import Crowd, LoadError, Socket
from bench.realtime.scenario import quantile
from bench.realtime.world import open_world

CONNECTIONS = 200
POSTS = 1_000
SECONDS = 20.0
ROUNDS = 2
COUNTED_WITHIN_S = 2.0
KINDS = ("like", "love", "laugh", "sad", "angry")


class Result(NamedTuple):
    """rate: calls a second. p50, p95: ms. wrong: posts whose count differs from its rows 2 s after the end."""

    rate: float
    p50: float
    p95: float
    failed: int
    wrong: int


async def react(sockets: Sequence[Socket], posts: Sequence[str], seconds: float) -> tuple[list[float], int]:
    """Return the durations of calls in ms, and how many failed."""
    took: list[float] = []
    failed = 0
    end = time.perf_counter() + seconds

    async def work(number: int, socket: Socket) -> None:
        nonlocal failed
        dice = random.Random(number)
        while time.perf_counter() < end:
            target = {"target_type": "post", "target_id": dice.choice(posts)}
            for method, more in (("reaction.set", {"kind": dice.choice(KINDS)}), ("reaction.unset", {})):
                began = time.perf_counter()
                try:
                    await socket.call(method, {**target, **more})
                except (LoadError, TimeoutError):
                    failed += 1
                else:
                    took.append((time.perf_counter() - began) * 1_000)

    await asyncio.gather(*(work(number, socket) for number, socket in enumerate(sockets)))
    return took, failed


async def wrong_counts(owner_url: str) -> int:
    owner = await asyncpg.connect(owner_url)
    try:
        found: int = await owner.fetchval(
            """SELECT count(*) FROM posts p WHERE
                (SELECT coalesce(sum(value::int), 0) FROM jsonb_each_text(p.reactions)) <>
                (SELECT count(*) FROM reactions r WHERE r.target_type = 'post' AND r.target_id = p.id)"""
        )
    finally:
        await owner.close()
    return found


async def main(seconds: float) -> None:
    results: dict[str, list[Result]] = {}
    with tempfile.TemporaryDirectory(prefix="daira-hot-post-") as folder:
        async with open_world(Path(folder), CONNECTIONS, POSTS, 2) as world:
            ours, crowd = Ours(world), Crowd()
            await ours.start(1, 0)
            await ours.start_workers()
            await crowd.connect(ours.ports, [ours.auth(number) for number in range(CONNECTIONS)])
            posts = [str(post) for post in world.posts]
            try:
                await react(crowd.sockets, posts, 2.0)
                for _ in range(ROUNDS):
                    for name, asked in ((f"{POSTS:,} posts", posts), ("one post", posts[:1])):
                        took, failed = await react(crowd.sockets, asked, seconds)
                        await asyncio.sleep(COUNTED_WITHIN_S)
                        wrong = await wrong_counts(world.servers.postgres_url("daira_owner"))
                        result = Result(len(took) / seconds, quantile(took, 0.5), quantile(took, 0.95), failed, wrong)
                        results.setdefault(name, []).append(result)
            finally:
                crowd.close()
                await ours.stop()
    show(results)


def show(results: dict[str, list[Result]]) -> None:
    table = Table("reactions to", "calls a second", "p50 / p95 ms", "failed", "posts counted wrong 2 s after the end")
    middle = {}
    for name, rounds in results.items():
        rate, p50, p95 = (statistics.median(each) for each in list(zip(*rounds, strict=True))[:3])
        middle[name] = rate, p95
        failed, wrong = sum(each.failed for each in rounds), sum(each.wrong for each in rounds)
        table.add_row(name, f"{rate:,.0f}", f"{p50:.1f} / {p95:.1f}", str(failed), str(wrong))
    (spread_rate, spread_p95), (hot_rate, hot_p95) = middle.values()
    table.add_row("ratio", f"{hot_rate / spread_rate:.2f} x", f"{hot_p95 / spread_p95:.2f} x", "", "")
    Console(width=120).print(table)


if __name__ == "__main__":
    uvloop.run(main(float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS))
