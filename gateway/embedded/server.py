"""What the runner asks of each server."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Any, NamedTuple, Protocol


class Command(NamedTuple):
    argv: list[Any]
    options: dict[str, Any]  # of Popen


class Server(Protocol):
    name: str
    end_signal: signal.Signals  # ends it in good order, as fast as may be

    def command(self) -> Command:
        """What starts it. Secrets go through files and the environment: a command line is everybody's to read."""

    async def answers(self) -> bool: ...


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def packaged_program(name: str) -> Path:
    """One that a package put beside our interpreter."""
    return Path(sys.executable).parent / name
