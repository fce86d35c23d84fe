"""Redis: two clients with bounded pools, a prefix for all keys and channels, and the scripts in `lua/`."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as _Client
from redis.asyncio.client import Pipeline
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from storage.breaker import PROBE_TIMEOUT_S, ProbedBreaker
from storage.redis_servers import Address, MasterPool, SentinelServers, servers_of
from tracing import traces

# redis-py's annotations are unions over all its modes; we use one.
Client: TypeAlias = Any
T = TypeVar("T")

REDIS_UNAVAILABLE = (RedisConnectionError, RedisTimeoutError)

COMMAND_TIMEOUT_S = 2.0
BLOCKING_TIMEOUT_S = 5.0
LARGEST_POOL = 64
FOLLOW_EVERY_S = 1.0
_REDIS: traces.Attributes = {"db.system.name": "redis"}

__all__ = ["REDIS_UNAVAILABLE", "Redis", "RedisError", "Script"]


class Script:
    """A Lua script. It is sent to the server once, and then called by its hash."""

    def __init__(self, client: "Client", path: Path) -> None:
        self._script = client.register_script(path.read_text())

    async def __call__(self, keys: list[str], arguments: list[Any]) -> Any:
        return await self._script(keys=keys, args=arguments)

    async def add_to(self, pipe: "Client", keys: list[str], arguments: list[Any]) -> None:
        """Run the script as part of the pipeline."""
        await self._script(keys=keys, args=arguments, client=pipe)


class _TracedPipeline(Pipeline):
    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        return await traces.traced(super().execute(raise_on_error), "pipeline", _REDIS)


class _TracedClient(_Client):
    """Adds each command, and each pipeline, to the current trace."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        return await traces.traced(super().execute_command(*args, **options), str(args[0]), _REDIS)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        return _TracedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _Guarded(Retry):
    """Refuses commands at once while the server does not answer. Otherwise it retries once, for pooled connections
    that died while idle; further retries are up to the caller.
    """

    def __init__(self, breaker: ProbedBreaker) -> None:
        super().__init__(NoBackoff(), 1)
        self._breaker = breaker

    def __deepcopy__(self, memo: object) -> "_Guarded":
        return self  # each connection copies it, and all share one breaker

    async def call_with_retry(self, do: Callable[[], Awaitable[T]], *arguments: Any, **options: Any) -> T:
        if not self._breaker.admits():
            raise RedisConnectionError("Redis does not answer")
        watch = self._breaker.watch()
        try:
            answer = await super().call_with_retry(do, *arguments, **options)
        except REDIS_UNAVAILABLE:
            self._breaker.suspect()
            raise
        finally:
            watch.cancel()
        self._breaker.answered()
        return answer


class Redis:
    """Clients of one server, or of a master behind Sentinel, for the event log. All else uses `shards`.

    `commands` times out after two seconds, and is refused at once while the server does not answer. `blocking` is for
    reads that wait up to five seconds.

    Deployments that share a server need different prefixes: a database number does not isolate channels.
    """

    def __init__(self, url: str, prefix: str) -> None:
        self.url = url
        self.prefix = prefix
        # One for all clients: a probe has no time to find out again and again that a Sentinel hangs.
        self._servers = servers_of(url)
        once = Retry(NoBackoff(), 0)
        self._probe: Client = self._client(PROBE_TIMEOUT_S, once)
        self.breaker = ProbedBreaker("redis_streams", self._probe.ping, self._drop_busy)
        self.commands: Client = self._client(COMMAND_TIMEOUT_S, _Guarded(self.breaker))
        self.blocking: Client = self._client(BLOCKING_TIMEOUT_S, once)

    def key(self, *parts: str | int) -> str:
        return ":".join((self.prefix, *map(str, parts)))

    def script(self, path: Path) -> Script:
        return Script(self.commands, path)

    async def close(self) -> None:
        self.breaker.close()
        await self._probe.aclose()
        await self.commands.aclose()
        await self.blocking.aclose()

    async def ping(self) -> None:
        await self.commands.ping()

    @property
    def master(self) -> Address | None:
        """The server that commands go to. After a failover it may lack the last writes. None without Sentinel."""
        return self.pool.master_address if isinstance(self.pool, MasterPool) else None

    async def follow_master(self) -> None:
        """With Sentinel, follow the master endlessly."""
        pools = [client.connection_pool for client in (self.commands, self.blocking)]
        while isinstance(self.pool, MasterPool):
            await asyncio.sleep(FOLLOW_EVERY_S)
            for pool in pools:
                try:
                    await pool.get_master_address()
                except RedisError:
                    continue

    @cached_property
    def pool(self) -> BlockingConnectionPool:
        pool = self.commands.connection_pool
        assert isinstance(pool, BlockingConnectionPool)
        return pool

    async def _drop_busy(self) -> None:
        """Fail the commands under way."""
        await self.pool.disconnect(inuse_connections=True)

    def _client(self, timeout: float | None, retry: Retry) -> Client:
        options: dict[str, Any] = {
            "max_connections": LARGEST_POOL,
            "timeout": COMMAND_TIMEOUT_S,
            "socket_connect_timeout": COMMAND_TIMEOUT_S,
            "socket_timeout": timeout,
            "retry": retry,
            "socket_keepalive": True,
            "protocol": 2,
        }
        if isinstance(self._servers, SentinelServers):
            return _TracedClient(connection_pool=self._servers.pool(**options))
        return _TracedClient(connection_pool=BlockingConnectionPool.from_url(self.url, **options))
