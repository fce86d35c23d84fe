"""Refuses requests to Kafka at once while no broker answers, and ends those that are under way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiokafka.errors import KafkaError

from storage.breaker import ProbedBreaker
from storage.cancellation import end
from storage.event_log import EventLogUnavailable
from storage.kafka_servers import ANSWER_TIMEOUT_S, KafkaServers, reaching


class KafkaBreaker:
    def __init__(self, servers: KafkaServers) -> None:
        self._servers = servers
        self._breaker = ProbedBreaker("kafka", self._probe, self._end_requests)
        self._under_way: set[asyncio.Timeout] = set()

    def close(self) -> None:
        self._breaker.close()

    def check(self) -> None:
        """Raises EventLogUnavailable while no broker answers."""
        if not self._breaker.admits():
            raise EventLogUnavailable("Kafka does not answer")

    @asynccontextmanager
    async def reaching(self) -> AsyncIterator[None]:
        """Make a request within the context. Raises EventLogUnavailable for errors of Kafka, and without an answer."""
        self.check()
        silence = self._breaker.watch()
        request = asyncio.timeout(ANSWER_TIMEOUT_S)
        try:
            async with reaching(), request:
                self._under_way.add(request)
                yield
            self._breaker.answered()
        except EventLogUnavailable:
            self._breaker.suspect()
            raise
        finally:
            silence.cancel()
            self._under_way.discard(request)

    async def _probe(self) -> None:
        """One broker that answers is enough: Kafka itself replaces one that is lost. Raises EventLogUnavailable."""
        asked = [asyncio.create_task(self._ask(broker)) for broker in self._servers.brokers.split(",")]
        try:
            for answer in asyncio.as_completed(asked):
                with suppress(KafkaError, OSError):
                    return await answer
            raise EventLogUnavailable("no broker answers")
        finally:
            await end(*asked)
            await asyncio.gather(*asked, return_exceptions=True)  # how they ended has been seen

    async def _ask(self, broker: str) -> None:
        client = self._servers.client(broker)
        try:
            await client.bootstrap()
        finally:
            await client.close()

    async def _end_requests(self) -> None:
        now = asyncio.get_running_loop().time()
        for request in self._under_way:
            if not request.expired():
                request.reschedule(now)
