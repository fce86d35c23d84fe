"""A deployment with sidecars at known ports: two nodes and three workers, each of which can be paused alone."""

import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import asyncpg

from gateway.app import worker_names
from gateway.backup_work import write_metrics
from gateway.embedded import EmbeddedServers, kafka_jars
from tests.chaos.deployment import PLENTY, Deployment
from tests.gateway.test_commands import DAIRA
from tests.kafka_broker import KafkaBroker
from tests.opensearch_node import OpenSearchNode, opensearch_home
from tests.patience import WAIT_S
from tests.ports import free_ports
from tests.postgres_replica import PostgresReplica
from tests.senders.certificates import Trust
from tests.senders.mail_server import PASSWORD, USER
from tests.tracing.collector import Collector
from workers.media_lanes import LANES

LOOPS = ("relay", "counters")
MEDIA = (*LANES, "media-sweeper")
WORKERS = {
    "worker-loops": LOOPS,
    "worker-media": MEDIA,
    "worker-events": tuple(name for name in worker_names() if name not in LOOPS + MEDIA),
}


def node_exporter() -> str | None:
    """The program, if this machine has it and lets us mount a file system to fill."""
    return shutil.which("prometheus-node-exporter") if os.geteuid() == 0 else None


class Watched(Deployment):
    names = ("node-0", "node-1", *WORKERS)
    replica: PostgresReplica

    def __init__(self, data_dir: Path, trust: Trust, collector: Collector) -> None:
        super().__init__(data_dir)
        self.servers_running = EmbeddedServers(data_dir, voice=True)
        self.sidecars = dict(zip(self.names, free_ports(len(self.names)), strict=True))
        [self.mail_port] = free_ports(1)
        self.opensearch: OpenSearchNode | None = None  # None if it is missing: then search is in PostgreSQL
        self.kafka: KafkaBroker | None = None  # None if it is missing
        self.machine: Path | None = None  # what node_exporter reads; None if it is missing
        self._exporter: subprocess.Popen[bytes] | None = None
        [self._exporter_port] = free_ports(1)
        self._trust = trust
        self.environment |= {
            "DAIRA_EMAIL_DELAY": "0",
            "DAIRA_PING_TIMEOUT": "120",  # a slow reader is not closed before its alert
            "DAIRA_LIMIT_REACTION": PLENTY,
            "DAIRA_LIMIT_CALLS": "50/second",
            "DAIRA_TRACE_ENDPOINT": collector.url,
            "DAIRA_TRACE_SAMPLE": "0.2",
            "DAIRA_SMTP_URL": f"smtps://{USER}:{quote(PASSWORD, safe='')}@localhost:{self.mail_port}",
            "DAIRA_SMTP_FROM": "hello@daira.test",
        }

    async def begin_servers(self) -> None:
        await super().begin_servers()
        if opensearch_home() is not None:
            folder = self.data_dir.parent / "opensearch"
            folder.mkdir()
            self.opensearch = OpenSearchNode(folder)
            await self.opensearch.start()
            self.environment |= {"DAIRA_SEARCH_ENGINE": "opensearch", "DAIRA_OPENSEARCH_URL": self.opensearch.url}
            assert self.run("migrate").returncode == 0
        if kafka_jars() is not None:
            folder = self.data_dir.parent / "kafka"
            folder.mkdir()
            self.kafka = KafkaBroker(self.servers_running.servers, folder)
            await self.kafka.start()
        if (program := node_exporter()) is not None:
            self._watch_machine(program)
        self.replica = PostgresReplica(self.servers_running.servers, self.data_dir.parent / "replica")
        await self.replica.start()

    def _watch_machine(self, program: str) -> None:
        self.machine = self.data_dir.parent / "machine"
        (self.machine / "disk").mkdir(parents=True)
        write_metrics(self.backup_metrics)
        # The machine's own file systems may be full, too.
        own = "|".join(re.escape(line.split()[1]) for line in Path("/proc/mounts").read_text().splitlines())
        options = (
            "--collector.disable-defaults", "--collector.filesystem", "--collector.textfile",
            f"--collector.filesystem.mount-points-exclude=^({own})$",
        )  # fmt: skip
        self._exporter = subprocess.Popen(
            [program, f"--web.listen-address=127.0.0.1:{self._exporter_port}", *options,
             f"--collector.textfile.directory={self.machine}"], stderr=subprocess.DEVNULL,
        )  # fmt: skip

    @property
    def backup_metrics(self) -> Path:
        assert self.machine is not None
        return self.machine / "backup.prom"

    def spawn(self, name: str) -> None:
        sidecar = str(self.sidecars[name])
        if name in WORKERS:
            trusted = {"SSL_CERT_FILE": self._trust.file} if name == "worker-events" else {}
            environment = {"DAIRA_WORKER_SIDECAR_PORT": sidecar, **trusted}
            self.processes[name] = self.start("work", *WORKERS[name], **environment)
        else:
            number = int(name.removeprefix("node-"))
            environment = {
                "DAIRA_PORT": str(self.node_ports[number]),
                "DAIRA_SIDECAR_PORT": sidecar,
                "DAIRA_POSTGRES_REPLICA_URL": self.replica.url,
                "DAIRA_POSTGRES_POOL": "5",  # a few users can fill it
                "DAIRA_SHED_DELAY": ("0.2", "60")[number],  # one node refuses what another lets wait
            }
            if number == 1 and self.kafka is not None:  # it only watches Kafka: the event log is on Redis
                environment |= self.kafka.environment
            self.processes[name] = self.start("serve", **environment)

    def start(self, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
        """Write to a file: with its servers gone a process logs more than a pipe holds."""
        log = (self.data_dir.parent / f"{arguments[0]}-{len(self.processes)}.log").open("ab")
        with log:
            return subprocess.Popen(
                [*DAIRA, *arguments], env={**self.environment, **environment}, stdout=log, stderr=log, text=True
            )

    def run(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*DAIRA, *arguments], env={**self.environment, **environment},
            capture_output=True, text=True, check=False, timeout=8 * WAIT_S,
        )  # fmt: skip

    async def end(self) -> None:
        self.replica.erase()
        await super().end()
        if self.opensearch is not None:
            self.opensearch.kill()
        if self.kafka is not None:
            self.kafka.kill()
        if self._exporter is not None:
            self._exporter.kill()
            self._exporter.wait()
        for log in self.data_dir.parent.glob("*.log"):
            print(log.name, log.read_text()[-2_000:])  # shown when the test fails

    def targets(self) -> dict[str, list[str]]:
        """Job → addresses of sidecars, as Prometheus has them."""
        addresses = {name: f"127.0.0.1:{port}" for name, port in self.sidecars.items()}
        return {
            "daira-gateway": [each for name, each in addresses.items() if name not in WORKERS],
            "daira-worker": [each for name, each in addresses.items() if name in WORKERS],
            "machines": [f"127.0.0.1:{self._exporter_port}"] if node_exporter() else [],
        }

    @asynccontextmanager
    async def owner(self) -> "AsyncIterator[asyncpg.Connection[Any]]":
        connection = await asyncpg.connect(self.servers_running.servers.postgres_url("daira_owner"))
        try:
            yield connection
        finally:
            await connection.close()

    def server_processes(self, name: str) -> list[int]:
        """The server and its children: PostgreSQL has one for each connection."""
        return [*_descendants(self.servers_running.process_id(name))]


def _descendants(process: int) -> Iterable[int]:
    yield process
    for child in Path(f"/proc/{process}/task/{process}/children").read_text().split():
        yield from _descendants(int(child))


def send(processes: Iterable[int], number: signal.Signals) -> None:
    for process in processes:
        os.kill(process, number)
