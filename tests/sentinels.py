"""A Redis master, a replica, and three Sentinels that watch them, each in its own process."""

from pathlib import Path

from tests.gateway.test_commands import free_ports
from tests.redis_cluster import RedisServers

SERVICE = "daira"
SENTINELS = 3
DOWN_AFTER_MS = 3_000


class Sentinels(RedisServers):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.master, self.replica, *self.sentinels = free_ports(2 + SENTINELS)

    @property
    def url(self) -> str:
        return "redis+sentinel://" + ",".join(f"127.0.0.1:{port}" for port in self.sentinels) + f"/{SERVICE}"

    async def start(self) -> None:
        self.spawn_server(self.master)
        self.spawn_server(self.replica, "--replicaof", "127.0.0.1", str(self.master))
        await self.until(self.replica, "master_link_status:up", "info", "replication")
        for port in self.sentinels:
            self._spawn_sentinel(port)
        for port in self.sentinels:
            # Shorter intervals: with the default seconds, a returning master waits long.
            await self.until(port, "OK", "sentinel", "debug", "info-period", "500", "publish-period", "200")
        for port in self.sentinels:
            await self.until(port, f"num-other-sentinels\n{SENTINELS - 1}\n", "sentinel", "master", SERVICE)
            await self.until(port, "num-slaves\n1\n", "sentinel", "master", SERVICE)

    def spawn_server(self, port: int, *options: str) -> None:
        self.spawn(port, "--save", "", "--appendonly", "yes", "--repl-diskless-sync-delay", "0", *options)

    def _spawn_sentinel(self, port: int) -> None:
        settings = self.folder(port) / "sentinel.conf"  # Sentinel writes to it
        settings.write_text(
            f"sentinel monitor {SERVICE} 127.0.0.1 {self.master} 2\n"
            f"sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}\n"
            f"sentinel failover-timeout {SERVICE} 5000\n"
        )
        self.spawn(port, "--sentinel", settings=settings)
