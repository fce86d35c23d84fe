"""`daira doctor`: check settings and dependencies as a process would use them."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.util import find_spec
from typing import NamedTuple

from aiohttp import ClientSession

from gateway.event_logs import kafka_servers
from gateway.search_engines import opensearch_servers
from gateway.senders import BUILDERS
from gateway.settings import Settings, SettingsError
from gateway.stores import open_shards
from protocol.devices import DeviceKind
from protocol.events import EVENTS
from stage.recorder import Recorder
from stage.voice_server import VoiceServer
from storage import embeddings, schema
from storage.database import Database
from storage.kafka_appender import MARKERS
from storage.kafka_breaker import KafkaBreaker
from storage.kafka_positions import KafkaPositions
from storage.kafka_topics import DEAD_LETTERS, wanted_replicas
from storage.objects import Objects
from storage.opensearch_indices import OpenSearchIndices
from storage.opensearch_link import OpenSearchLink
from storage.replica import bytes_behind
from storage.shards import Shards

TIMEOUT_S = 5.0
OLDEST_REDIS = (7, 2)


class Finding(NamedTuple):
    ok: bool
    what: str
    finding: str
    advice: str = ""


class Ill(Exception):
    """A finding with advice."""

    def __init__(self, finding: str, advice: str) -> None:
        super().__init__(finding)
        self.advice = advice


async def examine(settings: Settings) -> list[Finding]:
    checks: tuple[tuple[str, Callable[[Settings], Awaitable[str]], str], ...] = (
        ("settings", _settings, "run `daira up`, or set what is named"),
        ("postgres, application role", _app_database, "is the server up, and DAIRA_POSTGRES_URL right?"),
        ("postgres, worker role", _worker_database, "is the server up, and DAIRA_POSTGRES_WORKER_URL right?"),
        ("embeddings", _embeddings, "is the server up, and DAIRA_POSTGRES_URL right?"),
        ("postgres, replica", _replica, "is it up, and DAIRA_POSTGRES_REPLICA_URL right?"),
        ("redis", _redis, "is the server up, and DAIRA_REDIS_URL right?"),
        ("redis for pushes", _realtime_redis, "is the server up, and DAIRA_REALTIME_REDIS_URL right?"),
        ("event log", _event_log, "is Kafka up, and are DAIRA_KAFKA_BROKERS and its login right?"),
        ("search", _search, "is OpenSearch up, and are DAIRA_OPENSEARCH_URL and its login right?"),
        ("objects", _objects, "is the server up, and are DAIRA_S3_ENDPOINT and its keys right?"),
        ("livekit", _livekit, "is the server up, and are DAIRA_LIVEKIT_URL, DAIRA_LIVEKIT_KEY and its secret right?"),
        ("egress", _egress, "has LiveKit Redis, and does an egress service with that Redis run?"),
        ("traces", _traces, "is a collector up there that takes OTLP over HTTP?"),
        *(
            (f"sends by {kind}", partial(_sender, kind), "is the server up, and are its settings right?")
            for kind in BUILDERS
        ),
        ("gateway", _gateway, "start one: `daira up` or `daira serve`"),
    )
    findings = []
    for what, check, advice in checks:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                findings.append(Finding(True, what, await check(settings)))
        except Ill as ill:
            findings.append(Finding(False, what, str(ill), ill.advice))
        except SettingsError as error:
            findings.append(Finding(False, what, str(error)))
            break
        except Exception as error:
            findings.append(Finding(False, what, str(error) or type(error).__name__, advice))
    return findings


async def _settings(settings: Settings) -> str:
    source = "DAIRA_POSTGRES_URL" if settings.postgres_url else f"the embedded servers of {settings.data_dir}"
    return f"uses {source}; signs tokens with key {next(iter(settings.keys))}"


async def _app_database(settings: Settings) -> str:
    return await _database(settings.app_database, serves=True)


async def _worker_database(settings: Settings) -> str:
    return await _database(settings.worker_database, serves=False)


async def _embeddings(settings: Settings) -> str:
    database = Database(settings.app_database, largest=1)
    await database.connect()
    try:
        async with database.transaction() as tx:
            why = await embeddings.why_not_searched(tx)
    finally:
        await database.close()
    if why is not None:
        return f"{why}: feeds have no similar posts, see docs/deployment.md"
    if find_spec("implicit") is None:
        return "pgvector is there; what learns vectors, the extra `learning`, is not installed here"
    return "pgvector is there; vectors are learnt once a day, or by `daira learn embeddings`"


async def _database(url: str, *, serves: bool) -> str:
    database = Database(url, largest=2)
    await database.connect()
    try:
        async with database.transaction() as tx:
            if why := await schema.why_not_served(tx):
                raise Ill(why, "run `daira migrate`, or newer code")
            version = await schema.current_version(tx)
            wide = await schema.privileges_too_wide(tx) if serves else None
            if wide:
                raise Ill(wide, "connect as the application's role, which `daira migrate` creates")
            server: str = await tx.fetchval("SHOW server_version")
    finally:
        await database.close()
    return f"PostgreSQL {server}, schema {version}"


async def _replica(settings: Settings) -> str:
    if settings.replica is None:
        return "not set up: all reads go to the primary"
    url, _ = settings.replica
    return f"{await bytes_behind(settings.app_database, url, 'daira doctor'):,} bytes behind the primary"


async def _redis(settings: Settings) -> str:
    async with open_shards(settings) as shards:
        return f"{await _redis_servers(shards, is_embedded=settings.redis_url is None)}, prefix {settings.prefix}"


async def _realtime_redis(settings: Settings) -> str:
    if settings.realtime_redis == settings.redis:
        return "not set up: pushes use that of DAIRA_REDIS_URL"
    async with open_shards(settings, realtime=True) as shards:
        return await _redis_servers(shards, is_embedded=False)


async def _redis_servers(shards: Shards, *, is_embedded: bool) -> str:
    names = set()
    for shard, *_ in shards.by_link:
        names.add(redis_name(await shards.info(shard, "server")))
        check_memory(await shards.info(shard, "memory"), is_embedded=is_embedded)
    servers = f" on {len(shards.by_link)} servers" if len(shards.by_link) > 1 else ""
    return f"{', '.join(sorted(names))}{servers}"


def redis_name(server: dict[str, str]) -> str:
    """Return the name and version of a server, by its INFO. Raises Ill for one that is too old."""
    version = server["redis_version"]  # Valkey gives the Redis that it replaces
    if tuple(map(int, version.split(".")[:2])) < OLDEST_REDIS:
        raise Ill(f"is Redis {version}", "DAIRA needs Redis 7.2 or later, or Valkey")
    return f"Valkey {server['valkey_version']}" if "valkey_version" in server else f"Redis {version}"


def check_memory(memory: dict[str, str], *, is_embedded: bool) -> None:
    """Raise Ill unless the server refuses writes when it is full. memory: its INFO; some services hide parts of it."""
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise Ill(f"evicts keys ({policy})", "set maxmemory-policy to noeviction: leases live there")
    if memory.get("maxmemory") == "0" and not is_embedded:
        advice = "set it to 60 % of its machine or container: a full server must refuse writes, not be killed"
        raise Ill("has no maxmemory", advice)


async def _event_log(settings: Settings) -> str:
    servers = kafka_servers(settings)
    if servers is None:
        return "on Redis Streams"
    positions = KafkaPositions(servers, KafkaBreaker(servers))
    try:
        partitions = await positions.partitions(sorted(EVENTS))
        replicas, brokers = await positions.replicas([*EVENTS, MARKERS, DEAD_LETTERS])
    finally:
        await positions.close()
    if replicas < (wanted := wanted_replicas(settings.kafka_replicas, brokers)):
        raise Ill(
            f"a topic has {_replicas(replicas)} of a partition, not {wanted}",
            "add replicas by kafka-reassign-partitions.sh, as docs/operating.md shows, or change DAIRA_KAFKA_REPLICAS",
        )
    return f"Kafka at {servers.brokers}, {len(partitions)} partitions, {_replicas(replicas)} of each"


def _replicas(amount: int) -> str:
    return f"{amount} replica{'s' * (amount > 1)}"


async def _search(settings: Settings) -> str:
    servers = opensearch_servers(settings)
    if servers is None:
        return "in PostgreSQL"
    link = OpenSearchLink(servers)
    indices = OpenSearchIndices(link)
    try:
        version = await indices.version()
        current, left = await indices.current(), await indices.next()
        if current is None:
            raise Ill(f"OpenSearch {version} has no index {indices.alias}", "run `daira migrate`")
        health = await indices.health()
        if health == "red":
            raise Ill(f"a part of {current} is missing", "bring its nodes back, or run `daira search reindex`")
    finally:
        await link.close()
    also = f"; {left} is being filled, or an interrupted reindex left it" if left else ""
    return f"OpenSearch {version} at {servers.url}, index {current}, {health}{also}"


async def _objects(settings: Settings) -> str:
    objects = Objects(settings.bucket)
    await objects.connect()
    try:
        await objects.ping()
    finally:
        await objects.close()
    return f"bucket {settings.s3_bucket} at {objects.endpoint}"


async def _livekit(settings: Settings) -> str:
    if settings.livekit is None:
        return "not set up: rooms have no voice"
    server = VoiceServer(*settings.livekit)
    try:
        await server.ping()
    finally:
        await server.close()
    return f"at {settings.livekit[0]}"


async def _egress(settings: Settings) -> str:
    if settings.livekit is None or not settings.recordings:
        return "not set up: rooms are not recorded"
    recorder = Recorder(*settings.livekit, settings.bucket)
    try:
        await recorder.ping()
    finally:
        await recorder.close()
    return "LiveKit answers; only a recording shows whether an egress service runs"


async def _traces(settings: Settings) -> str:
    if settings.trace_endpoint is None:
        return "not set up: traces are not exported"
    async with (
        ClientSession() as session,
        session.post(settings.trace_endpoint, headers={"content-type": "application/x-protobuf"}) as answer,
    ):
        if not answer.ok:  # an empty export is a valid one
            raise Ill(f"{settings.trace_endpoint} answers {answer.status}", "does DAIRA_TRACE_ENDPOINT have its path?")
    return f"{settings.trace_sample:.1%} of calls, to {settings.trace_endpoint}"


async def _sender(kind: DeviceKind, settings: Settings) -> str:
    try:
        sender = BUILDERS[kind](settings)
    except SettingsError as error:
        raise Ill(str(error), "see .env.example") from None
    if sender is None:
        return "not set up: skipped"
    try:
        return await sender.ping()
    finally:
        await sender.close()


async def _gateway(settings: Settings) -> str:
    _, writer = await asyncio.open_connection(settings.host, settings.port)
    writer.close()
    return f"listens on {settings.host}:{settings.port}"
