"""LiveKit, which carries the voice of live rooms."""

import os
import signal
from pathlib import Path

import msgspec

from gateway.embedded.addresses import Servers
from gateway.embedded.server import Command, listens, packaged_program


class LiveKit:
    name = "livekit"
    end_signal = signal.SIGKILL  # on other signals, it waits until all users have left; it stores nothing

    def __init__(self, servers: Servers, program: Path) -> None:
        self._servers = servers
        self._program = program

    def command(self) -> Command:
        settings = {
            "port": self._servers.livekit_port,
            "bind_addresses": ["127.0.0.1"],
            "rtc": {
                "tcp_port": 0,  # TCP would listen on all addresses; UDP uses 127.0.0.1 only
                "node_ip": "127.0.0.1",
                "enable_loopback_candidate": True,
                "ips": {"includes": ["127.0.0.1/32"]},
            },
            "keys": {"daira": self._servers.password},
            "logging": {"level": "warn"},
        }
        environment = {**os.environ, "LIVEKIT_CONFIG": msgspec.json.encode(settings).decode()}  # YAML reads JSON
        return Command([self._program], {"env": environment})

    async def answers(self) -> bool:
        return await listens(self._servers.livekit_port)


def livekit_program() -> Path | None:
    """The program that `make voice` builds, or None if it is missing."""
    program = packaged_program("livekit-server")
    return program if program.exists() else None
