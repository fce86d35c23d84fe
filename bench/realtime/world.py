"""Shared by all contenders of a run: PostgreSQL and Redis, users with tokens, and posts to watch."""

import asyncio
import os
import resource
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg
import msgspec

from bench.posts import insert_posts
from bench.realtime.statements import open_handlers, real_calls
from gateway import demo
from gateway.embedded import EmbeddedServers, Servers
from gateway.settings import Settings
from gateway.stores import ensure_bucket, open_stores
from protocol.tokens import AccessTokens
from storage import seeding
from storage.migrating import migrate
from tests.cluster import RAISED_LIMITS

# The measured servers have one core; the load, the publishers and Redis share another.
_CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = str(_CORES[0]), str(_CORES[-1])
ALL_CORES = ",".join(map(str, _CORES))

TOKENS_LAST = timedelta(hours=12)
FOLLOWED = 50
POSTS_EACH = 10


@dataclass(frozen=True)
class World:
    """`users[n]` signs in with `tokens[n]`; the first users follow authors with posts.

    statements: method → the SQL of its call, from BEGIN to COMMIT.
    """

    folder: Path
    servers: Servers
    users: list[int]
    tokens: list[str]
    posts: list[int]
    statements: dict[str, list[str]]

    @property
    def our_settings(self) -> dict[str, str]:
        raised = {f"DAIRA_{name.upper()}": value for name, value in RAISED_LIMITS.items()}
        return {**raised, "DAIRA_DATA_DIR": str(self.folder), "DAIRA_LOG_LEVEL": "warning"}

    @property
    def peer_settings(self) -> dict[str, str]:
        return {
            "REDIS_URL": self.servers.redis_url,
            "DATABASE_URL": self.servers.postgres_url("daira_app"),
            "TOKEN_KEY": self.servers.token_key,
            "STATEMENTS": msgspec.json.encode(self.statements).decode(),
        }


@asynccontextmanager
async def open_world(
    folder: Path, people: int, rooms: int, readers: int, cores: str = LOAD_CORE
) -> AsyncIterator[World]:
    """Start the servers and create the users. This process and its children move to these cores."""
    os.sched_setaffinity(0, map(int, cores.split(",")))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    embedded = EmbeddedServers(folder)
    servers = await embedded.start()
    try:
        await migrate(*(servers.postgres_url(role) for role in ("daira_owner", "daira_app", "daira_worker")))
        settings = Settings(_env_file=None, data_dir=folder)
        async with open_stores(settings) as stores:
            await ensure_bucket(stores)
        names = [f"bench_{number}" for number in range(people)]
        owner_url = servers.postgres_url("daira_owner")
        tokens = await demo.mint_tokens(
            owner_url, AccessTokens(settings.keys), names, create=True, lifetime=TOKENS_LAST
        )
        users, posts = await _populate(owner_url, names, rooms, readers)
        async with open_handlers(folder, users[0]) as handlers:
            for call in real_calls(users).values():  # the first call also rebuilds what Redis has lost
                await handlers.run(call)
            statements = {call.method: (await handlers.run(call)).statements for call in real_calls(users).values()}
        yield World(folder, servers, users, tokens, posts, statements)
    finally:
        await embedded.stop()
        await asyncio.to_thread(embedded.erase)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def _populate(owner_url: str, names: list[str], rooms: int, readers: int) -> tuple[list[int], list[int]]:
    """Return the users and the posts to watch. The first `readers` users follow authors who have posted."""
    owner = await asyncpg.connect(owner_url)
    try:
        async with owner.transaction():
            by_name = await seeding.user_ids(owner, names)
            users = [by_name[name] for name in names]
            authors = await seeding.insert_users(owner, [(f"author_{number}", "a") for number in range(FOLLOWED)])
            await seeding.insert_follows(owner, [(reader, author) for reader in users[:readers] for author in authors])
            await insert_posts(owner, authors, max(rooms, FOLLOWED * POSTS_EACH))
            posts = [row["id"] for row in await owner.fetch("SELECT id FROM posts ORDER BY id LIMIT $1", rooms)]
        await owner.execute("ANALYZE")
    finally:
        await owner.close()
    return users, posts
