"""The interface of an embedded server, as the runner uses it."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any, NamedTuple, Protocol


class Command(NamedTuple):
    argv: list[Any]
    options: dict[str, Any]  # arguments of Popen


class Server(Protocol):
    name: str
    end_signal: signal.Signals  # the fastest clean shutdown

    def command(self) -> Command:
        """The command that starts it. Secrets go into files or the environment: all users can read command lines."""

    async def answers(self) -> bool:
        """Whether the server is ready."""


async def listens(port: int) -> bool:
    """Whether a server accepts connections on the port of 127.0.0.1."""
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def packaged_program(name: str) -> Path:
    """The path of a program that a package installed beside the Python interpreter."""
    return Path(sys.executable).parent / name
