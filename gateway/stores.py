"""A process's connections to its services, opened in order and closed in reverse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import structlog

from channels import broadcaster, locations, nodes, recovery
from channels.broadcaster import Broadcaster
from channels.locations import Locations
from channels.redis_keys import RedisKeys
from gateway.channel_kinds import KINDS
from gateway.event_logs import open_event_log
from gateway.observability import POSTGRES_POOL
from gateway.retrying import START_TIMEOUT_S, patiently, run_beside
from gateway.search_engines import opensearch_servers
from gateway.senders import open_senders
from gateway.settings import Settings
from moderation.classifier import Classifier
from presence import reports
from senders.providers import Providers
from stage import roster
from stage.recorder import Recorder
from stage.roster import Roster
from stage.voice_server import VoiceServer
from storage import budgets, leases, limits, partition_owner, schema, views
from storage import feeds as stored_feeds
from storage.database import Database, DatabaseUnavailable
from storage.event_log import EventLog
from storage.feeds import Feeds
from storage.object_files import ObjectFiles
from storage.object_urls import ObjectUrls
from storage.objects import Objects, ObjectsUnavailable
from storage.opensearch_link import OpenSearchLink
from storage.redis import RedisError
from storage.redis_servers import servers_of
from storage.replica import Replica
from storage.replicated_database import ReplicatedDatabase
from storage.shards import Shards
from storage.signed_urls import UrlSigner
from storage.snowflakes import Snowflakes

SCRIPTS = (
    *broadcaster.SCRIPTS, *recovery.SCRIPTS, *nodes.SCRIPTS, *locations.SCRIPTS, *roster.SCRIPTS, *reports.SCRIPTS,
    *limits.SCRIPTS, *budgets.SCRIPTS, *stored_feeds.SCRIPTS, *leases.SCRIPTS, *partition_owner.SCRIPTS,
    *views.SCRIPTS,
)  # fmt: skip

COMMAND_TIMEOUT_S = 5.0
KEEP_PARTS_DAYS = 7  # of uploads that the sweeper missed
WATCH_EVERY_S = 5.0  # metrics are per process: add them up

log = structlog.get_logger()


class NotMigrated(Exception):
    """This code cannot serve on the database's schema."""


@dataclass
class Stores:
    """A process's connections to all servers but PostgreSQL, and what is built on them."""

    settings: Settings
    data_shards: Shards
    ids: Snowflakes
    event_log: EventLog
    feeds: Feeds
    shards: Shards
    redis_keys: RedisKeys
    locations: Locations
    broadcaster: Broadcaster
    roster: Roster
    objects: Objects
    object_urls: ObjectUrls
    object_files: ObjectFiles
    voice_server: VoiceServer | None
    recorder: Recorder | None
    providers: Providers
    classifier: Classifier | None
    opensearch: OpenSearchLink | None  # None if search is in PostgreSQL

    @property
    def redis(self) -> dict[str, Shards]:
        """The Redis servers by their name in health and metrics. Pushes may share those of all other data."""
        if self.settings.realtime_redis == self.settings.redis:
            return {"redis": self.data_shards}
        return {"redis": self.data_shards, "realtime_redis": self.shards}


@asynccontextmanager
async def open_stores(settings: Settings) -> AsyncIterator[Stores]:
    """Open them. Waits up to 30 s for Redis; raises RedisError, which names the address, and SettingsError."""
    async with AsyncExitStack() as closing:
        # Not the links of `shards`, even if the server is the same: long answers would hold up pushes.
        data_shards = Shards(servers_of(settings.redis), settings.prefix, SCRIPTS)
        closing.push_async_callback(data_shards.stop)
        feeds, ids = Feeds(data_shards), Snowflakes(data_shards)
        async with _reaching(settings.redis, "DAIRA_REDIS_URL"):
            await data_shards.start()
            await patiently(ids.lease, RedisError)
        closing.push_async_callback(_quietly, ids.release)
        await run_beside(closing, "keep the lease on ids", ids.keep_lease)
        event_log = await closing.enter_async_context(open_event_log(settings, data_shards))
        objects = Objects(settings.bucket)
        closing.push_async_callback(objects.close)
        await objects.connect()
        object_files = ObjectFiles(UrlSigner(settings.bucket))
        closing.push_async_callback(object_files.close)
        shards = Shards(servers_of(settings.realtime_redis), settings.prefix, SCRIPTS, "realtime_redis")
        closing.push_async_callback(shards.stop)
        async with _reaching(settings.realtime_redis, "DAIRA_REALTIME_REDIS_URL"):
            await shards.start()
        redis_keys = RedisKeys(shards)
        voice_server = VoiceServer(*settings.livekit) if settings.livekit else None
        if voice_server is not None:
            closing.push_async_callback(voice_server.close)
        recorder = None
        if settings.recordings and settings.livekit:
            recorder = Recorder(*settings.livekit, settings.bucket)
            closing.push_async_callback(recorder.close)
        providers = Providers(await open_senders(settings))
        closing.push_async_callback(providers.close)
        classifier = Classifier(*settings.classifier) if settings.classifier else None
        if classifier is not None:
            closing.push_async_callback(classifier.close)
        servers = opensearch_servers(settings)
        opensearch = None if servers is None else OpenSearchLink(servers)
        if opensearch is not None:
            closing.push_async_callback(opensearch.close)
        yield Stores(
            settings=settings,
            data_shards=data_shards,
            ids=ids,
            event_log=event_log,
            feeds=feeds,
            shards=shards,
            redis_keys=redis_keys,
            locations=Locations(shards, redis_keys),
            broadcaster=Broadcaster(shards, redis_keys, KINDS),
            roster=Roster(shards),
            objects=objects,
            object_files=object_files,
            object_urls=ObjectUrls(UrlSigner(settings.public_bucket)),
            voice_server=voice_server,
            recorder=recorder,
            providers=providers,
            classifier=classifier,
            opensearch=opensearch,
        )


@asynccontextmanager
async def open_shards(settings: Settings, *, realtime: bool = False) -> AsyncIterator[Shards]:
    """Connect a command to the servers of DAIRA_REDIS_URL, or of DAIRA_REALTIME_REDIS_URL.

    Raises RedisError, which names the address, after 5 s.
    """
    url, variable = settings.redis, "DAIRA_REDIS_URL"
    if realtime:
        url, variable = settings.realtime_redis, "DAIRA_REALTIME_REDIS_URL"
    shards = Shards(servers_of(url), settings.prefix, SCRIPTS)
    try:
        async with _reaching(url, variable, COMMAND_TIMEOUT_S):
            await shards.start()
        yield shards
    finally:
        await shards.stop()


@asynccontextmanager
async def open_database(
    url: str, largest: int, *, serves: bool, replica: tuple[str, float] | None = None
) -> AsyncIterator[Database]:
    """Open a pool. Waits up to 30 s, but not for the replica. replica: its URL, and how long reads wait for it, in s.

    Raises DatabaseUnavailable; NotMigrated for a schema that this code cannot serve on, and if a role that serves has
    too many rights.
    """
    name = schema.connection_name()
    database = Database(url, largest=largest, name=name)
    if replica is not None:
        replica_url, wait = replica
        database = ReplicatedDatabase(url, replica_url, largest=largest, longest_wait=wait, name=name)
    await patiently(database.connect, DatabaseUnavailable)
    async with AsyncExitStack() as closing:
        closing.push_async_callback(database.close)
        watch = partial(_watch_database, database, "app" if serves else "worker")
        await run_beside(closing, "watch the pool of PostgreSQL", watch)
        if isinstance(database, ReplicatedDatabase):
            await run_beside(closing, "follow the replica of PostgreSQL", database.replica.follow)
            watch = partial(_watch_database, database.replica, "replica")
            await run_beside(closing, "watch the pool of the replica", watch)
        async with database.transaction() as tx:
            if why := await schema.why_not_served(tx):
                raise NotMigrated(why)
            wide = await schema.privileges_too_wide(tx) if serves else None
            if wide:
                raise NotMigrated(f"{wide}: connect as the application's role, which `daira migrate` creates")
        yield database


async def ensure_bucket(stores: Stores) -> None:
    try:
        await stores.objects.ensure_bucket()
    except ObjectsUnavailable as error:
        log.warning("object storage does not answer", endpoint=stores.objects.endpoint, error=str(error))


async def prepare_bucket(settings: Settings) -> None:
    """Create the bucket, and let browsers upload into it. A store that is down is left for the next migration."""
    objects = Objects(settings.bucket)
    await objects.connect()
    try:
        await objects.ensure_bucket()
        origins = settings.origins or "*"  # a signed URL is the right to upload, from wherever
        if not await objects.let_browsers_in([origins] if isinstance(origins, str) else origins):
            log.info("the object store has no rules for origins of buckets: set its own", endpoint=objects.endpoint)
        if not await objects.expire_unfinished_uploads(KEEP_PARTS_DAYS):
            log.info("the object store has no rules of age for parts", endpoint=objects.endpoint)
    except ObjectsUnavailable as error:
        log.warning("object storage does not answer", endpoint=objects.endpoint, error=str(error))
    finally:
        await objects.close()


async def _watch_database(database: Database | Replica, role: str) -> None:
    """Set the gauges of the pool every 5 s, forever."""
    while True:
        size, idle = database.size
        POSTGRES_POOL.labels(role, "idle").set(idle)
        POSTGRES_POOL.labels(role, "busy").set(size - idle)
        await asyncio.sleep(WATCH_EVERY_S)


@asynccontextmanager
async def _reaching(url: str, variable: str, timeout_s: float | None = None) -> AsyncIterator[None]:
    """Name the address in the error, without its password. timeout_s: by default 30 s."""
    timeout_s = timeout_s or START_TIMEOUT_S
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except (RedisError, TimeoutError) as error:
        parts = urlsplit(url)
        where = f"{parts.netloc.rpartition('@')[2]}{parts.path}"
        why = str(error) or f"no answer within {timeout_s:.0f} s"
        raise RedisError(f"Redis at {where} is out of reach, see {variable}: {why}") from error


async def _quietly(work: Any) -> None:
    try:
        await work()
    except RedisError as error:
        log.info("left to expire", error=str(error))
