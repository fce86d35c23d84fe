"""The embeddings: vectors of users and posts, learnt once a day from who engaged with which posts.

One process learns at a time, by a lease. A child process computes, so that no event loop waits for it; it needs the
extra `learning`. Without it, and while nothing can be learnt, feeds lack one source of candidates and nothing else.
"""

import asyncio
import secrets
import sys
import tempfile
import time
from array import array
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import structlog
from prometheus_client import Counter, Gauge

from storage import embeddings
from storage.cancellation import end
from storage.database import Database
from storage.leases import Leases
from storage.snowflakes import EPOCH_MS
from workers.job import Tools
from workers.polling_loop import run_polling

EVERY = timedelta(days=1)
LOOK_EVERY_S = 300.0
LEASE_S = 60.0
RENEW_EVERY_S = 15.0
PERIOD = timedelta(days=30)
SLICE = timedelta(hours=3)
MOST_OF_SLICE = 100_000  # engagements that are read at once
MOST_ENGAGEMENTS = 3_000_000  # the newest: 60 MB
MOST_KNOWN = 20_000  # users, by which new vectors are compared with the old ones
BATCH = 100  # vectors
NICENESS = 19
LEASE = "embeddings"

LEARNT = Gauge(
    "daira_embeddings_learnt", "Vectors that were learnt last, of `users` and `posts`", ["kind"],
    multiprocess_mode="max",
)  # fmt: skip
FAILED = Counter("daira_embeddings_failed_total", "Times that vectors could not be learnt")

log = structlog.get_logger()

Step = Callable[[str, float], None]  # the name of what is done, and the part that is done (0 to 1)


class VectorsLearnt(NamedTuple):
    engagements: int
    users: int
    posts: int


class LearningFailed(Exception):
    """The child process failed; the message has its last words."""


async def learn_daily(tools: Tools, stop: asyncio.Event) -> None:
    """Learn once a day until `stop` is set."""
    holder = secrets.token_hex(8)
    learn_at = 0.0

    async def turn() -> bool:
        nonlocal learn_at
        if time.monotonic() < learn_at or not await _hold(tools.leases, holder):
            return False
        try:
            age = await embeddings.age(tools.database)
            if age is not None and age < EVERY:
                return False
            learn_at = time.monotonic() + EVERY.total_seconds() / 24  # if it fails, or nothing is learnt
            await _learn_leased(tools, holder)
        finally:
            await tools.leases.release(LEASE, holder)
        return False

    if find_spec("implicit") is None:
        log.info("no embeddings are learnt: the extra `learning` is not installed")
        await stop.wait()
        return
    await run_polling("embeddings", turn, LOOK_EVERY_S, stop)


async def _learn_leased(tools: Tools, holder: str) -> None:
    """Learn while the lease is held; give up when it is lost."""
    learning = asyncio.create_task(learn(tools.database, lambda _name, _done: None))
    try:
        while not (await asyncio.wait([learning], timeout=RENEW_EVERY_S))[0]:
            if not await _hold(tools.leases, holder):
                return
        log.info("embeddings are learnt", **learning.result()._asdict())
    except LearningFailed as error:
        FAILED.inc()
        log.error("embeddings could not be learnt", error=str(error))
    finally:
        await end(learning)


async def _hold(leases: Leases, holder: str) -> bool:
    [is_held] = await leases.hold([LEASE], holder, lifetime_ms=int(LEASE_S * 1_000), most=1)
    return is_held


async def learn(database: Database, step: Step, now: datetime | None = None) -> VectorsLearnt:
    """Learn vectors from the newest engagements and store them. Raises LearningFailed, DatabaseUnavailable."""
    with tempfile.TemporaryDirectory(prefix="daira-embeddings-") as name:
        folder = Path(name)
        amount = await _export(database, folder, step, now or datetime.now(UTC))
        await _compute(folder, lambda done: step("learning", done))
        users = await _keep(database, folder, "users", step)
        posts = await _keep(database, folder, "posts", step)
    LEARNT.labels("users").set(users)
    LEARNT.labels("posts").set(posts)
    return VectorsLearnt(amount, users, posts)


async def _export(database: Database, folder: Path, step: Step, now: datetime) -> int:
    """Write engagements, the newest first, and the vectors of their users that are known."""
    users, posts, weights = array("q"), array("q"), array("f")
    slices = PERIOD // SLICE
    for number in range(slices):
        step("reading", number / slices)
        before = now - number * SLICE
        left = min(MOST_ENGAGEMENTS - len(users), MOST_OF_SLICE)
        for user_id, post_id, weight in await embeddings.engagements(
            database, _first_id(before - SLICE), _first_id(before), left
        ):
            users.append(user_id)
            posts.append(post_id)
            weights.append(weight)
        if len(users) >= MOST_ENGAGEMENTS:
            break
    known_users, known_vectors = array("q"), array("f")
    seen = sorted(set(users))[:MOST_KNOWN]
    for start in range(0, len(seen), BATCH):
        for user_id, vector in (await embeddings.learnt(database, seen[start : start + BATCH])).items():
            known_users.append(user_id)
            known_vectors.extend(vector)
    for file, numbers in (
        ("users", users.tobytes()),
        ("posts", posts.tobytes()),
        ("weights", weights.tobytes()),
        ("known_users", known_users.tobytes()),
        ("known_vectors", known_vectors.tobytes()),
    ):
        await asyncio.to_thread((folder / file).write_bytes, numbers)
    return len(users)


async def _compute(folder: Path, progress: Callable[[float], None]) -> None:
    child = await asyncio.create_subprocess_exec(
        *("nice", "-n", str(NICENESS), sys.executable, "-m", "domain.vector_learning", str(folder)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stderr is not None
    errors = asyncio.create_task(child.stderr.read())
    try:
        async for line in child.stdout:
            progress(float(line))
        if await child.wait():
            raise LearningFailed((await errors).decode(errors="replace")[-500:] or f"exit code {child.returncode}")
    finally:
        if child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
        await end(errors)


async def _keep(database: Database, folder: Path, kind: str, step: Step) -> int:
    """Store the vectors that were learnt. Returns how many."""
    keep = embeddings.keep_users if kind == "users" else embeddings.keep_posts
    ids, vectors = array("q"), folder / f"{kind}.vectors"
    ids.frombytes(await asyncio.to_thread((folder / f"{kind}.ids").read_bytes))
    with vectors.open("rb") as file:
        for start in range(0, len(ids), BATCH):
            step(f"storing {kind}", start / len(ids))
            batch, numbers = ids[start : start + BATCH], array("f")
            numbers.frombytes(await asyncio.to_thread(file.read, 4 * embeddings.DIMENSIONS * len(batch)))
            async with database.transaction() as tx:
                await keep(tx, list(batch), list(numbers))
    return len(ids)


def _first_id(moment: datetime) -> int:
    return (int(moment.timestamp() * 1_000) - EPOCH_MS) << 22
