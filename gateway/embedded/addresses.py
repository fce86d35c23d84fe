"""The ports and passwords of the embedded servers."""

import asyncio
import os
import secrets
import socket
from collections.abc import Sequence
from pathlib import Path

import msgspec

PORTS_TIMEOUT_S = 3.0
_PORTS = ("postgres_port", "redis_port", "s3_port")
_VOICE_PORTS = ("livekit_port",)
_KAFKA_PORTS = ("kafka_port", "kafka_controller_port")
_ALL_PORTS = (*_PORTS, *_VOICE_PORTS, *_KAFKA_PORTS)


class EmbeddedError(Exception):
    """The servers cannot be started; the message says what to do."""


class Servers(msgspec.Struct, frozen=True):
    """The ports and passwords of the servers of one data folder. `id` differs between folders of the same path."""

    id: str
    postgres_port: int
    redis_port: int
    s3_port: int
    password: str
    token_key: str
    s3_access_key: str
    s3_secret_key: str
    livekit_port: int = 0  # 0: without LiveKit
    kafka_port: int = 0  # 0: the event log is on Redis Streams
    kafka_controller_port: int = 0

    def postgres_url(self, role: str, database: str = "daira") -> str:
        return f"postgresql://{role}:{self.password}@127.0.0.1:{self.postgres_port}/{database}"

    @property
    def redis_url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.redis_port}/0"

    @property
    def s3_endpoint(self) -> str:
        return f"http://127.0.0.1:{self.s3_port}"

    @property
    def kafka(self) -> tuple[str, str, str] | None:
        """Address, user, password."""
        return (f"127.0.0.1:{self.kafka_port}", "daira", self.password) if self.kafka_port else None

    @property
    def livekit(self) -> tuple[str, str, str] | None:
        """URL, API key, API secret."""
        return (f"ws://127.0.0.1:{self.livekit_port}", "daira", self.password) if self.livekit_port else None


def find_servers(data_dir: Path) -> Servers | None:
    """Read what `daira up` wrote into the folder. Returns None if it never ran there. Raises EmbeddedError."""
    path = _file(data_dir)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Servers)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise EmbeddedError(
            f"{path} cannot be read ({error}), and it holds the passwords of the data: restore the file from a copy, "
            f"or remove {data_dir} with all its data"
        ) from None


async def reachable_servers(data_dir: Path, *, voice: bool, kafka: bool) -> Servers:
    """Return the servers of the folder, new ones on the first start, and write them to its file.

    If another program has taken one of the ports, all get new ones. Servers that were killed are given 3 s to free
    theirs. Raises EmbeddedError.
    """
    found = servers = find_servers(data_dir)
    wanted = (*_PORTS, *(_VOICE_PORTS if voice else ()), *(_KAFKA_PORTS if kafka else ()))
    if servers is None:
        servers = Servers(
            id=secrets.token_hex(6),
            **_new_ports(wanted),
            password=secrets.token_hex(16),
            token_key=secrets.token_hex(32),
            s3_access_key=secrets.token_hex(10),
            s3_secret_key=secrets.token_hex(20),
        )
    elif {name for name in _ALL_PORTS if getattr(servers, name)} != {*wanted} or not await _become_free(servers):
        servers = msgspec.structs.replace(servers, **_new_ports(wanted))
    if servers != found:
        _write(_file(data_dir), servers)
    return servers


def _file(data_dir: Path) -> Path:
    return data_dir / "servers.json"


def _write(path: Path, servers: Servers) -> None:
    """Replace the file in one step: it holds the only copy of the passwords."""
    beside = path.with_suffix(".new")
    beside.unlink(missing_ok=True)
    with open(beside, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(msgspec.json.format(msgspec.json.encode(servers)))
        file.flush()
        os.fsync(file.fileno())
    os.replace(beside, path)


async def _become_free(servers: Servers) -> bool:
    ports = [port for name in _ALL_PORTS if (port := getattr(servers, name))]
    deadline = asyncio.get_running_loop().time() + PORTS_TIMEOUT_S
    while not all(map(_is_free, ports)):
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(0.05)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _new_ports(wanted: Sequence[str]) -> dict[str, int]:
    """A free port for each of the wanted names, and 0 for the others."""
    sockets = [socket.socket() for _ in wanted]
    try:
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        ports = [listener.getsockname()[1] for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()
    return {**dict.fromkeys(_ALL_PORTS, 0), **dict(zip(wanted, ports, strict=True))}
