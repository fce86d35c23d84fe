"""Kafka over TLS: connections are encrypted, and a server whose certificate nobody trusts is refused."""

import subprocess
from pathlib import Path
from typing import ClassVar

import pytest

from gateway.embedded.kafka import Kafka
from gateway.event_logs import kafka_servers
from gateway.settings import Settings
from storage.event_log import EventLogUnavailable
from storage.kafka_log import KafkaLog
from storage.kafka_topics import Layout, ensure_topics
from tests.kafka_broker import KafkaBroker
from tests.ports import free_ports
from tests.storage.log_reader import TOPIC, records

pytestmark = [pytest.mark.kafka, pytest.mark.chaos]


def make_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1. Returns its file, and that of its key in PKCS #8."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=kafka",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    return certificate, key


class TlsKafka(Kafka):
    """The broker of `daira up`, with a further listener that clients reach by TLS."""

    tls: ClassVar[dict[str, object]] = {}

    def _write_settings(self) -> None:
        super()._write_settings()
        with self._settings.open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in self.tls.items())


@pytest.fixture
async def tls_broker(tmp_path: Path, idle_cluster, monkeypatch):
    certificate, key = make_certificate(tmp_path, "broker")
    (tmp_path / "store.pem").write_text(key.read_text() + certificate.read_text())
    (port,) = free_ports(1)
    broker = KafkaBroker(idle_cluster.servers, tmp_path)
    listeners = f"BROKER://127.0.0.1:{broker.servers.kafka_port},TLS://127.0.0.1:{port}"
    login = f'org.apache.kafka.common.security.plain.PlainLoginModule required user_daira="{broker.servers.password}";'
    controller = f"CONTROLLER://127.0.0.1:{broker.servers.kafka_controller_port}"
    TlsKafka.tls = {
        "listeners": f"{listeners},{controller}",
        "advertised.listeners": f"{listeners},{controller}",
        "listener.security.protocol.map": "BROKER:SASL_PLAINTEXT,CONTROLLER:SASL_PLAINTEXT,TLS:SASL_SSL",
        "listener.name.tls.ssl.keystore.type": "PEM",
        "listener.name.tls.ssl.keystore.location": tmp_path / "store.pem",
        "listener.name.tls.plain.sasl.jaas.config": login,
    }
    monkeypatch.setattr("tests.kafka_broker.Kafka", TlsKafka)
    await broker.start()
    yield Settings(
        _env_file=None, kafka_brokers=f"127.0.0.1:{port}", kafka_user="daira", kafka_password=broker.servers.password,
        kafka_mechanism="PLAIN", kafka_tls=True, kafka_ca=certificate,
    )  # fmt: skip
    broker.kill()


async def test_events_are_appended_by_tls_to_a_trusted_broker_only(tls_broker: Settings, shards, tmp_path: Path):
    servers = kafka_servers(tls_broker)
    await ensure_topics(servers, [TOPIC], Layout(partitions=2, replicas=1, retention=24))
    log = KafkaLog(servers, shards)
    await log.append(1, records(keys=2, each=5))
    assert len((await log.last_append()).event_ids) == 10
    await log.close()
    stranger, _ = make_certificate(tmp_path, "stranger")
    log = KafkaLog(kafka_servers(tls_broker.model_copy(update={"kafka_ca": stranger})), shards)
    with pytest.raises(EventLogUnavailable):
        await log.append(2, records(keys=1, each=1))
    await log.close()
