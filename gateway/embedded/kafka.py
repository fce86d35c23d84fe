"""Kafka, the event log of large deployments: one broker in KRaft mode, from the jars that `make kafka` fetches."""

import secrets
import shutil
import signal
import subprocess
import sys
from base64 import urlsafe_b64encode
from pathlib import Path

from gateway.embedded.addresses import EmbeddedError, Servers
from gateway.embedded.server import Command, listens

_JAVA = (
    "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",  # starts in 5 s, in 200 MB
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
)  # fmt: skip
_LOGIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "BROKER",
    "listener.security.protocol.map": "BROKER:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT",
    "sasl.enabled.mechanisms": "PLAIN",
    "sasl.mechanism.inter.broker.protocol": "PLAIN",
    "sasl.mechanism.controller.protocol": "PLAIN",
    "auto.create.topics.enable": "false",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "broker.session.timeout.ms": "2000",  # a broker that was killed may register again after this
    "broker.heartbeat.interval.ms": "500",
    "log.index.size.max.bytes": "1048576",
    "controlled.shutdown.enable": "false",  # there is no other broker to hand over to
}


class Kafka:
    name = "kafka"
    end_signal = signal.SIGTERM

    def __init__(self, servers: Servers, data_dir: Path) -> None:
        """Raises EmbeddedError if Java or the jars are missing."""
        java, jars = shutil.which("java"), kafka_jars()
        if java is None or jars is None:
            raise EmbeddedError("Kafka is missing: install Java 17 or later and Maven, then `make kafka`")
        self._servers = servers
        self._folder = data_dir / "kafka"
        self._java = [java, *_JAVA, "-cp", f"{jars}/*"]

    @property
    def is_new(self) -> bool:
        return not (self._folder / "log" / "meta.properties").exists()

    def create(self) -> None:
        """Format the folder of the log, which takes about 2 s. Raises EmbeddedError."""
        self._write_settings()
        cluster_id = (
            urlsafe_b64encode(secrets.token_hex(8).encode()).decode().rstrip("=")
        )  # 16 bytes, and no - before it
        options = ["format", "--standalone", "--cluster-id", cluster_id, "--config", str(self._settings)]
        result = subprocess.run(
            [*self._java, "kafka.tools.StorageTool", *options], capture_output=True, text=True, cwd="/"
        )
        if result.returncode:
            raise EmbeddedError(f"formatting the log of Kafka failed: {result.stdout.strip()} {result.stderr.strip()}")

    def command(self) -> Command:
        self._write_settings()
        return Command([*self._java, "kafka.Kafka", self._settings], {})

    async def answers(self) -> bool:
        return await listens(self._servers.kafka_port)

    @property
    def _settings(self) -> Path:
        return self._folder / "server.properties"

    def _write_settings(self) -> None:
        self._folder.mkdir(exist_ok=True, mode=0o700)
        broker, controller = f"127.0.0.1:{self._servers.kafka_port}", f"127.0.0.1:{self._servers.kafka_controller_port}"
        login = f'{_LOGIN} username="daira" password="{self._servers.password}" user_daira="{self._servers.password}";'
        settings = {
            **_SETTINGS,
            "listeners": f"BROKER://{broker},CONTROLLER://{controller}",
            "advertised.listeners": f"BROKER://{broker},CONTROLLER://{controller}",
            "controller.quorum.bootstrap.servers": controller,
            "log.dirs": str(self._folder / "log").replace("\\", "\\\\"),
            **{f"listener.name.{name}.plain.sasl.jaas.config": login for name in ("broker", "controller")},
        }
        self._settings.touch(mode=0o600)
        self._settings.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))


def kafka_jars() -> Path | None:
    """The folder of the jars that `make kafka` fetches, or None if it is missing."""
    folder = Path(sys.prefix) / "share" / "kafka"
    return folder if (folder / ".made").exists() else None
