"""Finds Redis servers by the form of the URL:

redis://host:port/0                                one server (rediss:// with TLS)
redis+sentinel://host:port,host:port/service       the master that Sentinel names; a port may be left out
redis+cluster://host:port,host:port                a cluster; Redis 7 or newer, for sharded pub/sub
"""

from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

from redis.asyncio import BlockingConnectionPool, Connection, ConnectionPool
from redis.asyncio import Redis as _Client
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel, SentinelConnectionPool, SentinelManagedConnection
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

CONNECT_TIMEOUT_S = 2.0
CLUSTER_SHARDS = 64
REDIS_PORT = 6379
SENTINEL_PORT = 26379

Address = tuple[str, int]
ANYWHERE: Address = ("", 0)  # with one server, which needs no address


class RedisServers(Protocol):
    """The servers behind a URL. `shards` is the number of hash tags that realtime keys are spread over."""

    shards: int
    is_cluster: bool
    may_be_replaced: bool  # another server may take over while the old one still answers

    async def find_owners(self) -> list[Address]:
        """The server of each shard now. Raises RedisError."""

    async def connect(self, address: Address) -> Connection:
        """A connection with RESP3, which delivers pushes between answers. Raises RedisError."""


class _OneServer:
    shards = 1
    is_cluster = False
    may_be_replaced = False


class SingleServer(_OneServer):
    def __init__(self, url: str) -> None:
        self._pool = ConnectionPool.from_url(url, **_link_options())

    async def find_owners(self) -> list[Address]:
        return [ANYWHERE]

    async def connect(self, address: Address) -> Connection:
        return await _connected(self._pool.make_connection)


class SentinelServers(_OneServer):
    may_be_replaced = True

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.service = parts.path.strip("/") or "mymaster"
        # The login is for Redis; Sentinels are asked without one.
        self.login: dict[str, Any] = _login(parts)
        once: dict[str, Any] = {"retry": Retry(NoBackoff(), 0)}
        self.sentinel: Any = Sentinel(  # type: ignore[no-untyped-call]
            _addresses(parts, SENTINEL_PORT),
            sentinel_kwargs={"socket_timeout": 1.0, "socket_connect_timeout": 1.0, "protocol": 2, **once},
        )

    async def find_owners(self) -> list[Address]:
        return [await self.sentinel.discover_master(self.service)]

    async def connect(self, address: Address) -> Connection:
        host, port = address
        return await _connected(ConnectionPool(host=host, port=port, **self.login, **_link_options()).make_connection)

    def pool(self, **options: Any) -> "MasterPool":
        return MasterPool(
            service_name=self.service,
            sentinel_manager=self.sentinel,
            is_master=True,
            connection_class=SentinelManagedConnection,
            **self.login,
            **options,
        )


class ClusterServers:
    shards = CLUSTER_SHARDS
    is_cluster = True
    may_be_replaced = False

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._login = _login(parts)
        self._known: list[Address] = _addresses(parts, REDIS_PORT)
        self._slots = [key_slot(str(shard).encode()) for shard in range(CLUSTER_SHARDS)]

    async def find_owners(self) -> list[Address]:
        for address in list(self._known):
            try:
                ranges = await self._ask(address)
            except (RedisError, OSError):
                continue
            owners = [self._owner(ranges, slot, address[0]) for slot in self._slots]
            if None not in owners:
                return [owner for owner in owners if owner is not None]
        raise RedisConnectionError("no server of the cluster knows who owns all slots")

    async def connect(self, address: Address) -> Connection:
        host, port = address
        return await _connected(ConnectionPool(host=host, port=port, **self._login, **_link_options()).make_connection)

    async def _ask(self, address: Address) -> list[Any]:
        host, port = address
        timeouts = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}
        client: Any = _Client(host=host, port=port, protocol=2, retry=Retry(NoBackoff(), 0), **self._login, **timeouts)  # type: ignore[arg-type]
        try:
            ranges: list[Any] = await client.execute_command("CLUSTER", "SLOTS")
        finally:
            await client.aclose()
        for _, _, *servers in ranges:
            for name, its_port, *_ in servers:
                if (found := (_text(name) or host, int(its_port))) not in self._known:
                    self._known.append(found)
        return ranges

    @staticmethod
    def _owner(ranges: list[Any], slot: int, host: str) -> Address | None:
        for first, last, master, *_ in ranges:
            if int(first) <= slot <= int(last):
                return _text(master[0]) or host, int(master[1])
        return None


class MasterPool(BlockingConnectionPool, SentinelConnectionPool):
    """A bounded pool whose connections all go to the latest master.

    A replaced master may still accept writes for some seconds, and lose them when it becomes a replica.
    """

    async def get_master_address(self) -> Address:
        address: Address = await self.sentinel_manager.discover_master(self.service_name)
        self.master_address: Address | None = address
        return address

    async def ensure_connection(self, connection: Any) -> None:
        if connection.is_connected and self.master_address != (connection.host, connection.port):
            await connection.disconnect()
        await super().ensure_connection(connection)


def servers_of(url: str) -> RedisServers:
    """Raises ValueError."""
    scheme = urlsplit(url).scheme
    kinds: dict[str, Callable[[str], RedisServers]] = {
        "redis+sentinel": SentinelServers,
        "redis+cluster": ClusterServers,
        "redis": SingleServer,
        "rediss": SingleServer,
        "unix": SingleServer,
    }
    if scheme not in kinds:
        raise ValueError(f"begins with none of {', '.join(f'{kind}://' for kind in kinds)}")
    return kinds[scheme](url)


def _addresses(parts: SplitResult, port: int) -> list[Address]:
    """port: for addresses without one. Raises ValueError."""
    return [_address(each, port) for each in parts.netloc.rpartition("@")[2].split(",")]


def _address(text: str, port: int) -> Address:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError("names no host, or an empty one")
    return parts.hostname, parts.port or port


def _login(parts: SplitResult) -> dict[str, Any]:
    """Username, password and TLS, as redis-py takes them for one server."""
    if not parts.password:
        return {}
    return {"username": unquote(parts.username or "") or None, "password": unquote(parts.password)}


def _link_options() -> dict[str, Any]:
    return {"protocol": 3, "socket_connect_timeout": CONNECT_TIMEOUT_S, "retry": Retry(NoBackoff(), 0)}


async def _connected(make: Callable[[], Any]) -> Connection:
    connection: Connection = make()
    await connection.connect()  # type: ignore[no-untyped-call]
    return connection


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""
