"""Shards without a server: they record what is sent to them, and answer what the test sets."""

import asyncio
from collections.abc import Awaitable, Sequence

from storage.redis_link import LinkDown, LinkScript


class FakeShards:
    """The shard of a name is the number at its end, modulo their amount. Each shard has a link of its own.

    `answers`: by shard, or for all (None), and by script or command. `log`: what was sent. Subscriptions are confirmed
    soon, unless `confirms` is False: then the test does it.
    """

    def __init__(self, amount: int = 1) -> None:
        self.amount = amount
        self.answers: dict[tuple[int | None, object], object] = {}
        self.down: set[int] = set()
        self.confirms = True
        self.confirmations: list[asyncio.Future[None]] = []
        self.log: list[tuple[object, ...]] = []

    @property
    def by_link(self) -> list[list[int]]:
        return [[shard] for shard in range(self.amount)]

    @property
    def are_up(self) -> bool:
        return not self.down

    def is_up(self, shards: Sequence[int]) -> bool:
        return self.down.isdisjoint(shards)

    def of(self, name: str) -> int:
        return int("".join(character for character in name if character.isdigit()) or 0) % self.amount

    def key(self, shard: int, *parts: str | int) -> str:
        return f"{shard}:{':'.join(map(str, parts))}"

    def run(
        self, shard: int, script: LinkScript, keys: Sequence[str], arguments: Sequence[object]
    ) -> Awaitable[object]:
        self.log.append((shard, script, [*keys], [*arguments]))
        return self._answer(shard, script)

    def call(self, shard: int, *parts: object) -> Awaitable[object]:
        self.log.append((shard, *parts))
        return self._answer(shard, parts[0])

    def send(self, shard: int, *parts: object) -> None:
        self.log.append((shard, *parts))

    def subscribe(self, shard: int, channel: str) -> "asyncio.Future[None]":
        if shard in self.down:
            raise LinkDown
        self.log.append(("+", shard, channel))
        loop = asyncio.get_running_loop()
        self.confirmations.append(loop.create_future())
        if self.confirms:
            loop.call_soon(self.confirmations[-1].set_result, None)
        return self.confirmations[-1]

    def unsubscribe(self, shard: int, channel: str) -> None:
        self.log.append(("-", shard, channel))

    async def _answer(self, shard: int, what: object) -> object:
        answer = self.answers.get((shard, what), self.answers.get((None, what)))
        if isinstance(answer, Exception):
            raise answer
        return answer
