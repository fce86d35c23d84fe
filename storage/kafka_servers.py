"""How to reach Kafka: brokers, login, encryption, and the names of topics and groups."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError

from storage.event_log import EventLogUnavailable

ANSWER_TIMEOUT_S = 10.0
FETCHED_BYTES = 256 * 1024  # of a partition at once
BATCH_BYTES = 512 * 1024

Mechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True)
class KafkaLogin:
    user: str
    password: str = field(repr=False)
    mechanism: Mechanism = "PLAIN"


@dataclass(frozen=True)
class KafkaServers:
    """brokers: host:port[,host:port…]. tls: None for connections without encryption."""

    brokers: str
    prefix: str
    login: KafkaLogin | None = None
    tls: ssl.SSLContext | None = None

    def topic(self, name: str) -> str:
        """The name in Kafka of a topic, or of a worker group."""
        return f"{self.prefix}.{name}"

    def name(self, topic: str) -> str:
        return topic.removeprefix(f"{self.prefix}.")

    def producer(self, transactional_id: str | None = None) -> AIOKafkaProducer:
        """An idempotent producer whose records all replicas have before they are acknowledged."""
        return AIOKafkaProducer(
            **self._options,
            transactional_id=transactional_id,
            enable_idempotence=True,
            acks="all",
            max_batch_size=BATCH_BYTES,
            linger_ms=0,
        )

    def consumer(self, group: str | None = None) -> AIOKafkaConsumer:
        """A consumer that is in no group: `group` is only the name under which it commits offsets."""
        return AIOKafkaConsumer(
            **self._options,
            group_id=None if group is None else self.topic(group),
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # where the stored offset has been deleted by its age
            isolation_level="read_committed",
            max_partition_fetch_bytes=FETCHED_BYTES,
        )

    def client(self, broker: str) -> AIOKafkaClient:
        """A bare connection to one of the brokers."""
        return AIOKafkaClient(**{**self._options, "bootstrap_servers": broker})

    def admin(self) -> AIOKafkaAdminClient:
        return AIOKafkaAdminClient(**self._options)

    @property
    def _options(self) -> dict[str, Any]:
        protocol = "SASL_SSL" if self.tls else "SASL_PLAINTEXT"
        if self.login is None:
            protocol = protocol.removeprefix("SASL_")
            login = {}
        else:
            login = {
                "sasl_mechanism": self.login.mechanism,
                "sasl_plain_username": self.login.user,
                "sasl_plain_password": self.login.password,
            }
        return {
            "bootstrap_servers": self.brokers.split(","),
            "client_id": self.prefix,
            "security_protocol": protocol,
            "ssl_context": self.tls,
            "request_timeout_ms": int(ANSWER_TIMEOUT_S * 1_000),
            **login,
        }


@asynccontextmanager
async def reaching() -> AsyncIterator[None]:
    """Turn errors of Kafka, and no answer, into EventLogUnavailable."""
    try:
        yield
    # TimeoutError is an OSError. aiokafka asserts that it knows a broker, but a cluster just back may name none.
    except (KafkaError, OSError, AssertionError) as error:
        raise EventLogUnavailable(f"Kafka: {str(error) or type(error).__name__}") from error
