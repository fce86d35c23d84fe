"""The servers that `daira up` starts, watches and stops: PostgreSQL, Redis and S3 from wheels, LiveKit if
`make voice` has built it, and on request Kafka.

They need neither root nor Docker nor a network. Their addresses and passwords are in `servers.json` in the data folder,
where other commands find them. A server that dies is restarted. If the process that started the servers dies, the
kernel ends them.
"""

from gateway.embedded.addresses import EmbeddedError, Servers, find_servers
from gateway.embedded.kafka import kafka_jars
from gateway.embedded.livekit import livekit_program
from gateway.embedded.postgres import postgres_programs
from gateway.embedded.redis import redis_program
from gateway.embedded.runner import EmbeddedServers

__all__ = [
    "EmbeddedError",
    "EmbeddedServers",
    "Servers",
    "find_servers",
    "kafka_jars",
    "livekit_program",
    "postgres_programs",
    "redis_program",
]
