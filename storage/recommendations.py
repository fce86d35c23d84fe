"""Recommendations of recent ranked feeds, kept for a minute: finding them costs more than ranking does.

What a viewer may not see any more is left out by each ranking.
"""

import time
from collections import OrderedDict
from collections.abc import Callable

from prometheus_client import Counter

from storage.candidates import Candidacy, beyond_inbox
from storage.database import Transaction

OF_EACH_SOURCE = 15
KEPT_S = 60.0
MOST_VIEWERS = 2_000  # at about 5 kB

EVICTED = Counter("daira_recommendations_evicted_total", "Recommendations that were dropped early to make room")


class Recommendations:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[int, tuple[float, dict[int, Candidacy]]] = OrderedDict()  # by viewer, oldest first

    async def of(self, tx: Transaction, viewer_id: int) -> dict[int, Candidacy]:
        """By post id, in the order of the sources. tx: of the viewer."""
        now = self._clock()
        kept_until, found = self._kept.get(viewer_id, (0.0, {}))
        if now < kept_until:
            return found
        found = {each.post_id: each for each in await beyond_inbox(tx, viewer_id, OF_EACH_SOURCE)}
        self._keep(viewer_id, now, found)
        return found

    def forget(self, viewer_id: int) -> None:
        self._kept.pop(viewer_id, None)

    def _keep(self, viewer_id: int, now: float, found: dict[int, Candidacy]) -> None:
        self._kept.pop(viewer_id, None)
        self._kept[viewer_id] = (now + KEPT_S, found)
        while self._kept and next(iter(self._kept.values()))[0] <= now:
            self._kept.popitem(last=False)
        if len(self._kept) > MOST_VIEWERS:
            EVICTED.inc()
            self._kept.popitem(last=False)
