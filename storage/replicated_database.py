"""A primary and its replica: reads go to the replica while it is as current as the primary."""

from collections.abc import Awaitable, Callable

from storage.budgets import Budget
from storage.database import (
    Conflict,
    Database,
    DatabaseBusy,
    DatabaseUnavailable,
    PrimaryNeeded,
    T,
    Transaction,
)
from storage.metrics import READS
from storage.replica import Replica


class ReplicatedDatabase(Database):
    """Both share one queue, so a process uses no more than `largest` connections at a time, wherever they are."""

    def __init__(self, url: str, replica_url: str, *, largest: int, longest_wait: float, name: str) -> None:
        """longest_wait: seconds that a read waits for the replica at most."""
        super().__init__(url, largest=largest, name=name)
        self.replica = Replica(url, replica_url, longest_wait, largest=largest, name=name, queue=self._queue)

    async def read(
        self, viewer_id: int | None, body: Callable[[Transaction], Awaitable[T]], *, budget: Budget | None = None
    ) -> T:
        is_current = await self.replica.is_current()
        where = str(self.replica.state)
        if is_current and (replica := self.replica.database) is not None:
            try:
                result = await replica.read(viewer_id, body, budget=budget)
            except DatabaseBusy:
                raise
            except PrimaryNeeded:
                where = "needed"
            except (DatabaseUnavailable, Conflict):  # it died, hung, or replayed what the read was looking at
                where = "lost"
            else:
                READS.labels("replica").inc()
                return result
        READS.labels(where).inc()
        return await super().read(viewer_id, body, budget=budget)
