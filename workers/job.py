"""The job that a reaction gets, and the decorator that declares its event."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from channels.broadcaster import Broadcaster
from channels.locations import Locations
from channels.user_keys import UserKeys
from domain.notification_rules import Delays
from domain.one_time_codes import OneTimeCodes
from media.processing import ProcessingRules
from moderation.classifier import Classifier
from protocol.events import Event, Lane
from senders.providers import Providers
from stage.recorder import Recorder
from stage.roster import Roster
from stage.voice import Voice
from storage.database import Database, Transaction
from storage.event_log import Batch, EventLog
from storage.export_archives import ExportKey
from storage.feeds import Feeds
from storage.leases import Leases
from storage.object_files import ObjectFiles
from storage.objects import Objects
from storage.outbox import Outbox
from storage.present_media import MediaPresenter
from storage.search_engine import SearchEngine, reading_time
from storage.snowflakes import Snowflakes
from storage.views import Sketches
from workers.lanes import Lanes
from workers.pushed_chats import PushedChats

EventT = TypeVar("EventT", bound=Event)


@dataclass(frozen=True, kw_only=True)
class Tools:
    """Built once a process and shared by all reactions."""

    database: Database
    feeds: Feeds
    locations: Locations
    broadcaster: Broadcaster
    event_log: EventLog
    roster: Roster
    ids: Snowflakes
    outbox: Outbox
    objects: Objects
    object_files: ObjectFiles
    sketches: Sketches
    leases: Leases  # of jobs that one process runs at a time
    voice: Voice | None  # None without LiveKit
    recorder: Recorder | None  # None unless rooms may be recorded
    providers: Providers
    delays: Delays
    media: MediaPresenter
    search: SearchEngine
    processing: ProcessingRules
    video_quota_ms: int  # of a user
    codes: OneTimeCodes
    user_keys: UserKeys
    username_reservation: timedelta
    export_key: ExportKey
    classifier: Classifier | None
    lanes: Lanes = field(default_factory=Lanes)
    pushed: PushedChats = field(default_factory=PushedChats)
    suggested_words: set[int] = field(default_factory=set)  # of search, that enough people have written
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


@dataclass(frozen=True)
class Job:
    """One run of a reaction. Ids of its pushes derive from `event_id`, so that a repeated run pushes nothing new.

    `is_repeated`: an earlier run has finished, or the event is older than 30 days. Groups that do not remember their
    events always get False. `place`: of the event in its batch. `began_at`: before it has read anything, in
    microseconds since 1970.
    """

    event_id: int
    tools: Tools
    is_repeated: bool = False
    batch: Batch = field(default_factory=Batch)
    place: int = 0
    began_at: int = field(default_factory=reading_time)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """The last transaction of a reaction whose last effect it is: on Kafka, the event is then never read again.

        A reaction that pushes afterwards uses `tools.database.transaction`: it must run again if it dies in between.
        Raises PartitionTaken, and rolls back, if another worker has taken the partition over.
        """
        async with self.tools.database.transaction() as tx:
            yield tx
            await self.batch.advance(tx, self.place + 1)


class DeclaredReaction(NamedTuple):
    """react: takes a job and its event or, if `takes_many`, jobs and their events, in order."""

    react: Callable[[Any, Any], Awaitable[None]]
    lane: Lane
    takes_many: bool


_groups: defaultdict[str, dict[str, DeclaredReaction]] = defaultdict(dict)


def consumes(
    event: type[EventT], *, group: str, lane: Lane | None = None
) -> Callable[[Callable[[Job, EventT], Awaitable[None]]], Callable[[Job, EventT], Awaitable[None]]]:
    """Declare a reaction; its lane is that of the event by default. Raises ValueError for a second one to a topic."""

    def declare(
        reaction: Callable[[Job, EventT], Awaitable[None]],
    ) -> Callable[[Job, EventT], Awaitable[None]]:
        _declare(event, group, DeclaredReaction(reaction, lane or event.lane, takes_many=False))
        return reaction

    return declare


ManyReaction = Callable[[Sequence[Job], Sequence[EventT]], Awaitable[None]]


def consumes_many(event: type[EventT], *, group: str) -> Callable[[ManyReaction[EventT]], ManyReaction[EventT]]:
    """Declare a reaction to all events of a partition that wait, in order: what many share is done once.

    If it fails, each event is reacted to apart, so that only the faulty one becomes a dead letter.
    """

    def declare(reaction: ManyReaction[EventT]) -> ManyReaction[EventT]:
        _declare(event, group, DeclaredReaction(reaction, event.lane, takes_many=True))
        return reaction

    return declare


def _declare(event: type[Event], group: str, reaction: DeclaredReaction) -> None:
    if event.topic in _groups[group]:
        raise ValueError(f"group {group} reacts to {event.topic} twice")
    _groups[group][event.topic] = reaction


def groups() -> dict[str, dict[str, DeclaredReaction]]:
    """Group → topic → reaction."""
    return {group: dict(reactions) for group, reactions in _groups.items()}
