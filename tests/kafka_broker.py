"""A Kafka broker of the tests, which they can kill and start again."""

import asyncio
import signal
import subprocess
from pathlib import Path

import msgspec

from gateway.child_process import spawn
from gateway.embedded import Servers
from gateway.embedded.kafka import Kafka
from storage.kafka_servers import KafkaLogin, KafkaServers
from storage.kafka_topics import Layout, ensure_topics
from tests.patience import WAIT_S
from tests.ports import free_ports


class KafkaBroker:
    """It starts once a test asks for a deployment on it."""

    def __init__(self, servers: Servers, data_dir: Path) -> None:
        """servers: whose password it takes."""
        port, controller_port = free_ports(2)
        self.servers = msgspec.structs.replace(servers, kafka_port=port, kafka_controller_port=controller_port)
        self._data_dir = data_dir
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        kafka = Kafka(self.servers, self._data_dir)
        if kafka.is_new:
            await asyncio.to_thread(kafka.create)
        command = kafka.command()
        with (self._data_dir / "kafka.log").open("ab") as output:
            self._process = spawn(command.argv, kafka.end_signal, stdout=output, stderr=output, cwd="/")
        async with asyncio.timeout(6 * WAIT_S):  # a killed broker first reads its log again
            while not await kafka.answers():
                assert self._process.poll() is None, (self._data_dir / "kafka.log").read_text()[-2_000:]
                await asyncio.sleep(0.05)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def pause(self) -> None:
        """It keeps its connections, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a process that uses it."""
        assert self.servers.kafka is not None
        address, user, password = self.servers.kafka
        return {
            "DAIRA_KAFKA_BROKERS": address,
            "DAIRA_KAFKA_USER": user,
            "DAIRA_KAFKA_PASSWORD": password,
            "DAIRA_KAFKA_MECHANISM": "PLAIN",
        }

    async def deployment(self, prefix: str, topics: list[str]) -> KafkaServers:
        """A deployment with these topics and no records."""
        if self._process is None:
            await self.start()
        assert self.servers.kafka is not None
        address, user, password = self.servers.kafka
        own = KafkaServers(address, prefix, KafkaLogin(user, password))
        await ensure_topics(own, topics, Layout(partitions=8, replicas=1, retention=24))
        return own
