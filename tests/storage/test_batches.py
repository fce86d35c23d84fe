"""Questions are collected while others are under way."""

import asyncio

import pytest

from storage.batches import Batches
from storage.database import DatabaseUnavailable
from storage.redis import RedisError
from tracing import traces


class Asked:
    """Answers numbers by their double, except 0, once it is told to go on."""

    def __init__(self) -> None:
        self.batches: list[tuple[str, list[int]]] = []
        self.go = asyncio.Event()
        self.failing: tuple[int, Exception] | None = None
        self.questions = Batches(self._ask)

    async def _ask(self, group: str, numbers: list[int]) -> dict[int, int]:
        self.batches.append((group, list(numbers)))
        await self.go.wait()
        if self.failing is not None and self.failing[0] in numbers:
            raise self.failing[1]
        return {number: 2 * number for number in numbers if number}

    def begin(self, group: str, *numbers: int) -> list[asyncio.Task[int | None]]:
        return [asyncio.create_task(self.questions.answer(group, number)) for number in numbers]


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_questions_that_arrive_meanwhile_are_asked_together():
    asked = Asked()
    first, *others = asked.begin("a", 1, 2, 3, 2, 0)
    await turns()
    assert asked.batches == [("a", [1])]
    asked.go.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 4, None]
    assert asked.batches == [("a", [1]), ("a", [2, 3, 0])]
    assert await asked.questions.answer("a", 4) == 8
    await turns()
    assert not asked.questions._waiting
    assert not asked.questions._tasks


async def test_groups_do_not_wait_for_each_other():
    asked = Asked()
    both = [*asked.begin("a", 1), *asked.begin("b", 1)]
    await turns()
    assert asked.batches == [("a", [1]), ("b", [1])]
    asked.go.set()
    await asyncio.gather(*both)


async def test_batches_and_their_queue_are_bounded():
    asked = Asked()
    tasks = asked.begin("a", *range(1, 10_003))
    await turns()
    with pytest.raises(DatabaseUnavailable):
        await tasks[-1]
    asked.go.set()
    await asyncio.gather(*tasks[:-1])
    assert [len(numbers) for _, numbers in asked.batches] == [1, *[200] * 50]


@pytest.mark.parametrize(
    ("error", "told"), [(RedisError("down"), RedisError), (ValueError("broken"), DatabaseUnavailable)]
)
async def test_a_failed_batch_fails_its_questions_alone(error, told):
    asked = Asked()
    asked.failing = 2, error
    first, *others = asked.begin("a", 1, 2, 3)
    await turns()
    asked.go.set()
    assert await first == 2
    for each in others:
        with pytest.raises(told):
            await each
    assert await asked.questions.answer("a", 4) == 8


async def test_a_cancelled_question_takes_no_other_with_it():
    asked = Asked()
    first, second, third = asked.begin("a", 1, 2, 3)
    await turns()
    first.cancel()
    await turns()
    second.cancel()
    asked.go.set()
    assert await third == 6
    assert [first.cancelled(), second.cancelled()] == [True, True]


async def test_a_batch_belongs_to_a_trace_of_its_questions_and_to_a_sampled_one_first():
    asked_for: list[str] = []
    go = asyncio.Event()

    async def ask(group: str, numbers: list[int]) -> dict[int, int]:
        asked_for.append(traces.current_context()[3:35])
        await go.wait()
        return {}

    questions = Batches(ask)

    async def question(number: int, trace: str) -> None:
        if trace:
            traces.resume("call", f"00-{trace * 32}-{trace * 16}-{'01' if trace == 'c' else '00'}")
        await questions.answer("a", number)

    waiting = [asyncio.create_task(question(number, trace)) for number, trace in enumerate("abc")]
    await turns()
    go.set()
    await asyncio.gather(*waiting)
    assert asked_for == ["a" * 32, "c" * 32]
    await question(9, "")
    assert asked_for[-1] == ""
