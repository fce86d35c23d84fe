"""The parts of a process besides its sockets: workers and the sidecar."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial

import structlog

import handlers
import workers
from channels.user_keys import UserKeys
from gateway.livekit_webhook import LiveKitWebhook
from gateway.node import Node
from gateway.observability import (
    AUDIT_AGE,
    COUNTS_AGE,
    COUNTS_UNFOLDED,
    DEAD_LETTERS,
    ERASURES_AGE,
    ERASURES_DUE,
    EXPORTS_AGE,
    LOG_LAG,
    MEDIA_AGE,
    MEDIA_WAITING,
    OPENSEARCH_HEALTH,
    OUTBOX_AGE,
    OUTBOX_UNSENT,
    REDIS_MEMORY,
)
from gateway.retrying import again_and_again
from gateway.search_engines import search_engine
from gateway.settings import Settings
from gateway.sidecar import Check, Sidecar
from gateway.stores import Stores
from gateway.wiring import build_codes, build_export_keys, build_media_presenter
from stage.voice import Voice
from storage import audit_chain, counts, deletions, exports, media_work, outbox
from storage.cancellation import end
from storage.database import Database, DatabaseUnavailable
from storage.event_log import EventLogUnavailable
from storage.leases import Leases
from storage.opensearch_indices import HEALTH, OpenSearchIndices
from storage.opensearch_link import OpenSearchLink
from storage.outbox import Outbox
from storage.recommendations import Recommendations
from storage.redis import RedisError
from storage.search_engine import SearchUnavailable
from storage.seen_posts import SeenPosts
from storage.shards import Shards
from storage.views import Sketches
from workers.job import Tools, groups
from workers.loops import LOOPS
from workers.recordings import react_to_report
from workers.runner import run_group

STOP_TIMEOUT_S = 5.0
GATHER_TIMEOUT_S = 2.0
# S3 serves only media, LiveKit only voice, OpenSearch only searches; without the event log, calls are
# answered and events wait.
OPTIONAL_DEPENDENCIES = frozenset({"objects", "livekit", "egress", "kafka", "opensearch"})

# Imported for their declarations: methods and reactions.
REGISTERED = (*handlers.MODULES, *workers.MODULES)

log = structlog.get_logger()


class WorkerProcess:
    """The loops and worker groups of one process."""

    def __init__(self, stores: Stores, database: Database, listen_url: str, names: Sequence[str]) -> None:
        self.tools = Tools(
            database=database,
            feeds=stores.feeds,
            locations=stores.locations,
            broadcaster=stores.broadcaster,
            event_log=stores.event_log,
            roster=stores.roster,
            ids=stores.ids,
            outbox=Outbox(database, stores.ids),
            objects=stores.objects,
            object_files=stores.object_files,
            sketches=Sketches(stores.data_shards),
            leases=Leases(stores.data_shards, "jobs"),
            voice=Voice(database, stores.roster, stores.voice_server) if stores.voice_server else None,
            recorder=stores.recorder,
            providers=stores.providers,
            delays=stores.settings.delays,
            media=build_media_presenter(stores),
            search=search_engine(stores.opensearch, database),
            processing=stores.settings.processing_rules,
            video_quota_ms=stores.settings.upload_rules.quota_video_ms,
            codes=build_codes(stores.settings),
            user_keys=UserKeys(
                stores.feeds,
                SeenPosts(stores.data_shards),
                Recommendations(stores.data_shards),
                stores.shards,
                stores.redis_keys,
            ),
            username_reservation=timedelta(days=stores.settings.username_reservation),
            export_key=build_export_keys(stores.settings)[0],
            classifier=stores.classifier,
        )
        self._listen_url = listen_url
        self._names = names
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        for name in self._names:
            self._tasks.append(asyncio.create_task(again_and_again(name, self._work(name))))

    def _work(self, name: str) -> Callable[[], Awaitable[None]]:
        if (loop := LOOPS.get(name)) is not None:
            return partial(loop.run, self.tools, self._listen_url, self._stop)
        return partial(run_group, self.tools, name, self._stop)

    def livekit_webhook(self, settings: Settings) -> LiveKitWebhook | None:
        """None unless rooms may be recorded."""
        if settings.livekit is None or self.tools.recorder is None:
            return None
        _, key, secret = settings.livekit
        return LiveKitWebhook(key, secret, partial(react_to_report, self.tools))

    async def stop(self) -> None:
        """Let running reactions finish. Other events stay in the log."""
        self._stop.set()
        await asyncio.wait(self._tasks, timeout=STOP_TIMEOUT_S)
        await end(*self._tasks)


def worker_names() -> list[str]:
    """Return the names that `daira work` accepts: loops and worker groups."""
    return [*LOOPS, *sorted(groups())]


def sidecar(
    settings: Settings,
    port: int,
    stores: Stores,
    database: Database,
    node: Node | None,
    workers: WorkerProcess | None = None,
    **more_checks: Check,
) -> Sidecar:
    """Return the sidecar with the health and metrics of this process, and with workers, LiveKit's webhook."""
    checks: dict[str, Check] = {
        "postgres": database.ping,
        **{name: shards.ping for name, shards in stores.redis.items()},
        "objects": stores.objects.ping,
        **({"kafka": stores.event_log.ping} if settings.kafka else {}),
        **({"opensearch": OpenSearchIndices(stores.opensearch).ping} if stores.opensearch else {}),
        **({"livekit": stores.voice_server.ping} if stores.voice_server else {}),
        **({"egress": stores.recorder.ping} if stores.recorder else {}),
        **more_checks,
    }
    return Sidecar(
        settings.host,
        port,
        checks=checks,
        optional=OPTIONAL_DEPENDENCIES,
        draining=lambda: node is not None and node.draining,
        gather=lambda: _gather(stores, database),
        names=[name.strip().lower() for name in settings.sidecar_names.split(",") if name.strip()],
        webhook=workers.livekit_webhook(settings) if workers else None,
    )


async def _gather(stores: Stores, database: Database) -> None:
    """Fill the gauges whose values come from servers. A value that cannot be read stays as it was."""
    gathering = [_gather_from_database(database), _gather_from_event_log(stores)]
    gathering += [_gather_from_redis(name, shards) for name, shards in stores.redis.items()]
    if stores.opensearch is not None:
        gathering.append(_gather_from_opensearch(stores.opensearch))
    await asyncio.gather(*map(_or_stale, gathering))


async def _or_stale(gathering: Awaitable[None]) -> None:
    """A scrape does not wait longer than this for a server that is silent."""
    try:
        async with asyncio.timeout(GATHER_TIMEOUT_S):
            await gathering
    except (DatabaseUnavailable, RedisError, EventLogUnavailable, SearchUnavailable, TimeoutError) as error:
        log.warning("some metrics are stale", error=str(error))


async def _gather_from_database(database: Database) -> None:
    async with database.transaction() as tx:
        unsent, unsent_age = await outbox.backlog(tx)
        unfolded, unfolded_age = await counts.backlog(tx)
        lanes = await media_work.backlog(tx)
        due, due_age = await deletions.backlog(tx)
        export_age = await exports.backlog(tx)
        audit_age = await audit_chain.backlog(tx)
    OUTBOX_UNSENT.set(unsent)
    OUTBOX_AGE.set(unsent_age)
    COUNTS_UNFOLDED.set(unfolded)
    COUNTS_AGE.set(unfolded_age)
    ERASURES_DUE.set(due)
    ERASURES_AGE.set(due_age)
    EXPORTS_AGE.set(export_age)
    AUDIT_AGE.set(audit_age)
    for lane, (files, age) in lanes.items():
        MEDIA_WAITING.labels(lane).set(files)
        MEDIA_AGE.labels(lane).set(age)


async def _gather_from_redis(name: str, shards: Shards) -> None:
    REDIS_MEMORY.labels(name).set(await shards.memory_ratio())


async def _gather_from_event_log(stores: Stores) -> None:
    for lag in await stores.event_log.lags():
        LOG_LAG.labels(lag.group, lag.topic).set(lag.records)
    DEAD_LETTERS.set(await stores.event_log.count_dead_letters())  # last: its first read may take several scrapes


async def _gather_from_opensearch(link: OpenSearchLink) -> None:
    OPENSEARCH_HEALTH.set(HEALTH.index(await OpenSearchIndices(link).health()))
