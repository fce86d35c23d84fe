"""Counts for watchers who hide users: as calls answer them, without what these users did. Authors of comments that are
withheld from others get such counts, too.

All other watchers get the same frame. The numbers of one watcher take a query, so they follow a little later, only the
newest ones, and a node spends half of one connection's time on them at most.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence

import structlog
from prometheus_client import Counter, Gauge

from channels.background import Background
from channels.members import Member, Members
from channels.messages import Written, unkept
from protocol.counts import CommentCounted, PostCounted
from protocol.pushes import Push
from storage import counts, present
from storage.database import Conflict, Database, DatabaseUnavailable, Transaction

EVENTS = (PostCounted.event, CommentCounted.event)
MOST_WAITING = 1_000  # posts and comments of a user
REST_AFTER_OUTAGE_S = 1.0

WAITING = Gauge(
    "daira_own_counts_waiting", "Users who wait for counts without those whom they hide", multiprocess_mode="livesum"
)
LOADED = Counter("daira_own_counts_total", "Times that counts were loaded for a user who hides others")
LEFT_OUT = Counter("daira_own_counts_left_out_total", "Counts that were not loaded for such users: too many waited")

log = structlog.get_logger()


class OwnCounts:
    def __init__(self, database: Database, members: Members) -> None:
        self._database = database
        self._members = members
        # By user: the channel of each post and comment, by event and id.
        self._waiting: defaultdict[int, dict[tuple[str, int], str]] = defaultdict(dict)
        self._background = Background("own counts")
        self._is_running = False

    def deliver(self, recipients: Sequence[Member], written: Written) -> None:
        """Deliver the counts that this push is about to these sockets a moment later, as their users see them."""
        event, target_id, _ = written.id.split(":")
        for user_id in {member.user_id for member in recipients}:
            waiting = self._waiting[user_id]
            if len(waiting) < MOST_WAITING:
                waiting[event, int(target_id)] = written.channel
            else:
                LEFT_OUT.inc()
        WAITING.set(len(self._waiting))
        if self._waiting and not self._is_running:
            self._is_running = True
            self._background.run(self._run())

    async def stop(self) -> None:
        await self._background.stop(within_s=0)

    async def _run(self) -> None:
        try:
            while self._waiting:
                user_id = next(iter(self._waiting))
                began = time.monotonic()
                try:
                    await self._load(user_id, self._waiting.pop(user_id))
                except (DatabaseUnavailable, Conflict, TimeoutError) as error:
                    # The next change brings the counts up to date.
                    log.warning("counts could not be loaded for a watcher", error=str(error))
                    await asyncio.sleep(REST_AFTER_OUTAGE_S)
                WAITING.set(len(self._waiting))
                await asyncio.sleep(time.monotonic() - began)
        finally:
            self._is_running = False

    async def _load(self, user_id: int, waiting: dict[tuple[str, int], str]) -> None:
        asked: defaultdict[str, list[int]] = defaultdict(list)
        for event, target_id in waiting:
            asked[event].append(target_id)

        async def load(tx: Transaction) -> tuple[list[counts.CountedPost], list[counts.CountedComment]]:
            posts = await counts.load(tx, asked[PostCounted.event])
            return posts, await counts.load_of_comments(tx, asked[CommentCounted.event])

        posts, comments = await self._database.read(user_id, load)
        LOADED.inc()
        for row in posts:
            self._deliver(user_id, waiting[PostCounted.event, row["id"]], present.post_counted(row))
        for each in comments:
            self._deliver(user_id, waiting[CommentCounted.event, each["id"]], present.comment_counted(each))

    def _deliver(self, user_id: int, channel: str, push: Push) -> None:
        written = unkept(push, channel)
        for member in self._members.of_user(user_id):
            if channel in member.channels:
                member.deliver(written)
