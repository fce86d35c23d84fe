"""First answers of calls: found again by their key, for a day."""

import asyncio
import itertools
from contextlib import asynccontextmanager

import pytest

from protocol.errors import CallError
from storage import idempotency
from storage.idempotency import AnswerPlace
from tests.cluster import Cluster

AGE = "UPDATE idempotency SET created_at = now() - $2::text::interval WHERE user_id = $1"
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'advisory'"
keys = itertools.count()


@pytest.fixture
async def place(cluster: Cluster, person) -> AnswerPlace:
    return AnswerPlace(int((await person("alice")).id), "post.create", f"key {next(keys)}")


@asynccontextmanager
async def viewing(cluster: Cluster, place: AnswerPlace):
    async with cluster.node_a.parts.services.database.transaction(place.user_id) as tx:
        yield tx


async def aged(cluster: Cluster, place: AnswerPlace, age: str) -> None:
    owner = await cluster.owner()
    await owner.execute(AGE, place.user_id, age)
    await owner.close()


async def test_the_first_answer_of_a_key_is_given_again(cluster: Cluster, place):
    async with viewing(cluster, place) as tx:
        assert await idempotency.first_answer(tx, place, b"request") is None
        await idempotency.keep_answer(tx, place, b"request", b"answer")
    async with viewing(cluster, place) as tx:
        assert await idempotency.first_answer(tx, place, b"request") == b"answer"
        assert await idempotency.first_answer(tx, place._replace(key="another"), b"request") is None
        assert await idempotency.first_answer(tx, place._replace(method="room.create"), b"request") is None


async def test_a_key_with_other_arguments_is_refused(cluster: Cluster, place):
    async with viewing(cluster, place) as tx:
        await idempotency.keep_answer(tx, place, b"request", b"answer")
        with pytest.raises(CallError) as refused:
            await idempotency.first_answer(tx, place, b"another request")
    assert (refused.value.code, refused.value.details[0].field) == ("ALREADY_EXISTS", "idempotency_key")


async def test_a_key_is_free_again_after_a_day(cluster: Cluster, place):
    async with viewing(cluster, place) as tx:
        await idempotency.keep_answer(tx, place, b"request", b"answer")
    await aged(cluster, place, "23 hours 59 minutes")
    async with viewing(cluster, place) as tx:
        assert await idempotency.first_answer(tx, place, b"request") == b"answer"
    await aged(cluster, place, "24 hours 1 minute")
    async with viewing(cluster, place) as tx:
        assert await idempotency.first_answer(tx, place, b"another request") is None
        await idempotency.keep_answer(tx, place, b"another request", b"another answer")
        assert await idempotency.first_answer(tx, place, b"another request") == b"another answer"


async def test_a_concurrent_call_waits_for_the_answer_of_the_first(cluster: Cluster, place):
    async def repeat() -> bytes | None:
        async with viewing(cluster, place) as tx:
            return await idempotency.first_answer(tx, place, b"request")

    owner = await cluster.owner()
    async with viewing(cluster, place) as tx:
        assert await idempotency.first_answer(tx, place, b"request") is None
        repeating = asyncio.create_task(repeat())
        while not (repeating.done() or await owner.fetchval(WAITING)):
            await asyncio.sleep(0.01)
        await idempotency.keep_answer(tx, place, b"request", b"answer")
    await owner.close()
    assert await repeating == b"answer"


async def test_old_answers_are_deleted_in_bounded_batches(cluster: Cluster, place):
    owner = await cluster.owner()
    await owner.execute("BEGIN")  # never committed: the workers forget, too
    await owner.execute("DELETE FROM idempotency")
    for number in range(3):
        await idempotency.keep_answer(owner, place._replace(key=f"{number}"), b"request", b"answer")
    await owner.execute(AGE, place.user_id, "24 hours 1 minute")
    await idempotency.keep_answer(owner, place._replace(key="fresh"), b"request", b"answer")
    gone = [await idempotency.forget_old(owner, 2) for _ in range(3)]
    left = await owner.fetch("SELECT key FROM idempotency")
    await owner.execute("ROLLBACK")
    await owner.close()
    assert gone == [2, 1, 0]
    assert [row["key"] for row in left] == ["fresh"]
