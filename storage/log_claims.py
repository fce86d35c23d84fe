"""Claims of partitions: those of a group that are wanted at the same time are made in one statement."""

import asyncio

from storage import log_offsets
from storage.database import Database
from storage.log_offsets import PartitionClaim


class Claims:
    def __init__(self, database: Database, group: str) -> None:
        self._database = database
        self._group = group
        self._wanted: dict[tuple[str, int], asyncio.Future[tuple[PartitionClaim, int]]] = {}
        self._making: asyncio.Task[None] | None = None

    async def claim(self, topic: str, partition: int) -> tuple[PartitionClaim, int]:
        """Take the partition over. Returns the claim, and the offset to go on at. Raises DatabaseUnavailable."""
        answer: asyncio.Future[tuple[PartitionClaim, int]] = asyncio.get_running_loop().create_future()
        self._wanted[topic, partition] = answer
        if self._making is None or self._making.done():
            self._making = asyncio.create_task(self._make())
        return await answer

    async def _make(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, {}
            try:
                made = await log_offsets.claim(self._database, self._group, list(wanted))
            except Exception as error:
                for answer in wanted.values():
                    if not answer.done():
                        answer.set_exception(error)
                continue
            for place, answer in wanted.items():
                if not answer.done():
                    answer.set_result(made[place])
