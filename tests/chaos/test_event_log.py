"""Kafka while workers and the broker are killed: each event has its effect once, in the order of its key."""

import asyncio
import signal
import subprocess
import sys

import asyncpg
import pytest

from gateway.child_process import spawn
from gateway.embedded import EmbeddedServers
from gateway.event_logs import kafka_servers, prepare_topics
from gateway.settings import Settings
from storage.kafka_breaker import KafkaBreaker
from storage.kafka_positions import KafkaPositions
from storage.migrating import migrate
from tests.faults import soon
from tests.gateway.test_commands import Installation
from tests.kafka_broker import KafkaBroker
from tests.ports import free_ports

pytestmark = [pytest.mark.chaos, pytest.mark.kafka, pytest.mark.timeout(900)]

EVENTS = 100_000
KEYS = 500
CHUNK = 5_000
# Runs of one key are made one after the other, so `place` has their order.
RUNS = """CREATE TABLE runs (place bigserial PRIMARY KEY, event_id bigint, key text);
    GRANT INSERT ON runs TO daira_worker; GRANT USAGE ON runs_place_seq TO daira_worker;
    ALTER ROLE daira_worker SET synchronous_commit = off -- PostgreSQL is not killed here, so nothing is lost"""
ADD_EVENTS = """INSERT INTO outbox (id, topic, key, payload)
    SELECT n, 'post.created', author,
        convert_to(json_build_object('v', 1, 'post_id', n, 'author_id', author)::text, 'UTF8')
    FROM generate_series($1::bigint, $2::bigint) AS n, LATERAL (SELECT n % $3::bigint AS author) AS authors"""
OUT_OF_ORDER = """SELECT count(*) FROM (
    SELECT event_id - lag(event_id) OVER (PARTITION BY key ORDER BY place) AS step FROM runs) AS s WHERE step <= 0"""


class Workers(Installation):
    """Two worker processes that can be killed."""

    def __init__(self, data_dir, broker: KafkaBroker) -> None:
        super().__init__(data_dir)
        self.environment |= {**broker.environment, "DAIRA_LOG_LEVEL": "error"}
        self._processes: dict[int, subprocess.Popen[bytes]] = {}

    def spawn(self, number: int) -> None:
        environment = {**self.environment, "DAIRA_WORKER_SIDECAR_PORT": str(free_ports(1)[0])}
        command = [sys.executable, "-m", "tests.chaos.log_worker"]
        self._processes[number] = spawn(command, signal.SIGKILL, env=environment)

    def kill(self, number: int) -> None:
        self._processes[number].kill()
        self._processes[number].wait()

    def end(self) -> None:
        for number in self._processes:
            self.kill(number)


@pytest.fixture
async def embedded(tmp_path):
    running = EmbeddedServers(tmp_path / "data")
    await running.start()
    yield running
    await running.stop()
    running.erase()


@pytest.fixture
async def broker(embedded, tmp_path):
    running = KafkaBroker(embedded.servers, tmp_path)
    await running.start()
    yield running
    running.kill()


@pytest.fixture
async def workers(embedded, broker, tmp_path):
    running = Workers(tmp_path / "data", broker)
    yield running
    running.end()


@pytest.fixture
async def owner(embedded):
    await migrate(*(embedded.servers.postgres_url(role) for role in ("daira_owner", "daira_app", "daira_worker")))
    connection = await asyncpg.connect(embedded.servers.postgres_url("daira_owner"))
    await connection.execute(RUNS)
    yield connection
    await connection.close()


async def test_each_event_has_its_effect_once_whatever_is_killed(embedded, broker, workers, owner):
    address, user, password = broker.servers.kafka
    settings = Settings(
        _env_file=None, data_dir=embedded.data_dir, kafka_brokers=address, kafka_user=user, kafka_password=password,
        kafka_mechanism="PLAIN",
    )  # fmt: skip
    await prepare_topics(settings)
    for number in (0, 1):
        workers.spawn(number)

    async def until(runs: int) -> None:
        while await owner.fetchval("SELECT count(*) FROM runs") < runs:
            await asyncio.sleep(0.1)

    async def kill_worker(number: int) -> None:
        workers.kill(number)
        workers.spawn(number)

    async def kill_broker(number: int) -> None:
        broker.kill()
        await broker.start()

    faults = (
        (0.1, kill_worker, 0),
        (0.3, kill_broker, 0),
        (0.5, kill_worker, 1),
        (0.7, kill_broker, 0),
        (0.8, kill_worker, 0),
    )
    adding = asyncio.create_task(add_events(embedded))
    for share, fault, number in faults:
        await until(int(share * EVENTS))
        await fault(number)
    await adding
    await until(EVENTS)
    servers = kafka_servers(settings)
    assert servers is not None
    positions = KafkaPositions(servers, KafkaBreaker(servers))

    async def lag() -> int:
        return sum(each.records for each in await positions.lags())

    assert await soon(lag, 0) == 0
    await positions.close()
    assert await owner.fetchrow("SELECT count(*), count(DISTINCT event_id) FROM runs") == (EVENTS, EVENTS)
    assert await owner.fetchval(OUT_OF_ORDER) == 0


async def add_events(embedded: EmbeddedServers) -> None:
    """Bit by bit, so that the relay works while its process or the broker is killed."""
    connection = await asyncpg.connect(embedded.servers.postgres_url("daira_owner"))
    for first in range(1, EVENTS + 1, CHUNK):
        await connection.execute(ADD_EVENTS, first, first + CHUNK - 1, KEYS)
        while await connection.fetchval("SELECT count(*) FROM outbox WHERE sent_batch IS NULL") > 2 * CHUNK:
            await asyncio.sleep(0.05)
    await connection.close()
