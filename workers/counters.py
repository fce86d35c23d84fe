"""The counters: fold changes into the counts of posts and comments, and push these to users who watch the posts. They
also fold what users did into affinities.

Several may run; a lock lets one work at a time. A turn folds first and pushes in later transactions. PostgreSQL records
the counts that were folded and not pushed yet, so after a crash the next turn pushes them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog
from prometheus_client import Counter, Gauge

from domain.post_channels import POST
from storage import affinities, counts, present, views
from storage.database import Transaction
from workers.by_age import seeing_ages
from workers.job import Tools
from workers.woken_loop import Pace, run_when_woken

# With the rest, a post is pushed at most about four times a second.
PACE = Pace(poll_s=1.0, poll_while_listening_s=1.0, rest_s=0.25)
BATCH = 5_000  # changes
MOST_BATCHES = 20  # in a turn
PUSHES = 1_000
SKETCH_EVERY_S = 5.0
SKETCHES = 100
SKETCHED_ROWS = 50_000
CHECK_EVERY_S = 60.0
CHECKED = 200  # targets
MOST_DRIFTING = 1_000  # that are remembered

FOLDED = Counter("daira_counts_folded_total", "Changes folded into the counts of posts and comments")
ACTS = Counter("daira_affinity_acts_folded_total", "Acts of users folded into affinities and the quality of posts")
DRIFT = Gauge(
    "daira_counts_drift",
    "Posts and comments whose counts differ from their rows, among those checked (see `daira check counts`)",
    multiprocess_mode="max",
)

log = structlog.get_logger()


async def run_counters(tools: Tools, listen_url: str, stop: asyncio.Event) -> None:
    """Run until `stop` is set."""
    await run_when_woken("counters", Counters(tools).turn, PACE, listen_url, stop)


class Counters:
    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._sketch_at = 0.0
        self._check_at = time.monotonic() + CHECK_EVERY_S
        self._kind: counts.Kind = "post"  # that the check has come to
        self._checked_to = 0
        self._drifting: dict[counts.Kind, set[int]] = {kind: set() for kind in counts.KINDS}

    async def turn(self) -> bool:
        """Fold, push and check. Returns whether there is more to fold."""
        has_more = False
        if await counts.has_work(self._tools.database):
            has_more = await self.fold()
            await self.push()
            if time.monotonic() >= self._sketch_at:
                self._sketch_at = time.monotonic() + SKETCH_EVERY_S
                await self.sketch()
        if await affinities.has_work(self._tools.database):
            has_more |= await self.fold_affinities()
        if time.monotonic() >= self._check_at:
            self._check_at = time.monotonic() + CHECK_EVERY_S
            await self.check()
        return has_more

    async def fold(self) -> bool:
        """Fold changes into counts. Returns whether there are more."""
        return await self._fold_batches(counts.fold, FOLDED)

    async def fold_affinities(self) -> bool:
        """Fold acts into affinities. Returns whether there are more."""
        return await self._fold_batches(affinities.fold, ACTS)

    async def _fold_batches(self, fold: Callable[[Transaction, int], Awaitable[int]], folded_total: Counter) -> bool:
        for _ in range(MOST_BATCHES):
            async with self._tools.database.transaction() as tx:
                if not await counts.take_turn(tx):
                    return False
                folded = await fold(tx, BATCH)
            folded_total.inc(folded)
            if folded < BATCH:
                return False
        return True

    async def push(self) -> None:
        """Push the present counts of targets that were folded."""
        targets = PUSHES
        while targets == PUSHES:
            async with self._tools.database.transaction() as tx:
                if not await counts.take_turn(tx):
                    return
                unpushed = await counts.take_unpushed(tx, PUSHES)
                # Before the commit: if this process dies here, the next turn pushes them again.
                publish = self._tools.broadcaster.publish_unkept
                await asyncio.gather(
                    *(
                        publish(POST.channel(post["id"]), present.post_counted(post), own_to=post["own_to"])
                        for post in unpushed.posts
                    ),
                    # Not to users who hide the author: they do not see the comment.
                    *(
                        publish(
                            POST.channel(each["post_id"]),
                            present.comment_counted(each),
                            actor_id=each["author_id"],
                            only_to=each["author_id"] if each["is_withheld"] else 0,
                            ages=seeing_ages(each["labels"]),
                        )
                        for each in unpushed.comments
                    ),
                )
            targets = unpushed.targets

    async def sketch(self) -> None:
        """Move the views of posts with many into their sketches. Later folds count them."""
        async with self._tools.database.transaction() as tx:
            due = await views.take_due(tx, SKETCHES, SKETCHED_ROWS)
            for each, sketch in zip(due, await self._tools.sketches.add(due), strict=True):
                await views.keep(tx, each.post_id, sketch)

    async def check(self) -> None:
        """Compare the counts of the next targets, and of those that differed before, with their rows."""
        async with self._tools.database.transaction() as tx:
            sample = await counts.targets_after(tx, self._kind, self._checked_to, CHECKED)
            asked = [*sample, *self._drifting[self._kind]]
            found = await counts.drift(tx, self._kind, asked)
        for each in found:
            log.error("a count differs from its rows: see `daira check counts`", kind=self._kind, **each._asdict())
        self._drifting[self._kind] = set(sorted({each.target_id for each in found})[:MOST_DRIFTING])
        DRIFT.set(sum(map(len, self._drifting.values())))
        if len(sample) == CHECKED:
            self._checked_to = sample[-1]
        else:
            self._kind, self._checked_to = ("comment" if self._kind == "post" else "post"), 0
