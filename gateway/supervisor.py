"""`serve --processes N`: N child processes on one port, and one sidecar for all of them.

The supervisor binds the port exclusively and passes the listening socket to its children. So a second program on the
port fails, instead of taking part of the traffic unnoticed. Children share only Redis. A child that dies is restarted.
"""

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import structlog
from prometheus_client import multiprocess

from gateway.child_process import spawn

RESTART_S = 0.5
CLOSING_S = 8.0  # after its drain, for the last calls and for closing connections
FOLDER = "PROMETHEUS_MULTIPROC_DIR"

log = structlog.get_logger()


class ChildrenMissing(Exception):
    """Not all children are running."""


@asynccontextmanager
async def children(
    listener: socket.socket, amount: int, drain_s: float
) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Run that many children until the body ends. SIGTERM ends them; children that take too long get SIGKILL.

    Yields a check for the sidecar, which raises ChildrenMissing.
    """
    processes: list[subprocess.Popen[bytes]] = [_spawn(listener) for _ in range(amount)]
    watching = asyncio.create_task(_watch(processes, listener))

    async def check() -> None:
        running = sum(process.poll() is None for process in processes)
        if running < amount:
            raise ChildrenMissing(f"{running} of {amount} processes run")

    try:
        yield check
    finally:
        watching.cancel()
        for process in processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + drain_s + CLOSING_S
        for process in processes:
            try:
                await asyncio.to_thread(process.wait, max(deadline - time.monotonic(), 0))
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def shared_metrics() -> Iterator[None]:
    """Provide the folder through which prometheus_client adds up the metrics of all processes.

    The library reads the variable when it is imported, so this sets it and then executes the command again.
    """
    if FOLDER not in os.environ:
        os.environ[FOLDER] = tempfile.mkdtemp(prefix="daira-metrics-")
        os.execv(sys.executable, [sys.executable, "-m", "gateway.cli", *sys.argv[1:]])
    try:
        yield
    finally:
        shutil.rmtree(os.environ[FOLDER], ignore_errors=True)


async def _watch(processes: list[subprocess.Popen[bytes]], listener: socket.socket) -> None:
    while True:
        await asyncio.sleep(RESTART_S)
        for index, process in enumerate(processes):
            if process.poll() is not None:
                log.warning("a gateway process died and is restarted", code=process.returncode)
                multiprocess.mark_process_dead(process.pid)  # type: ignore[no-untyped-call]
                processes[index] = _spawn(listener)


def _spawn(listener: socket.socket) -> subprocess.Popen[bytes]:
    descriptor = listener.fileno()
    command = [sys.executable, "-m", "gateway.cli", "serve", "--inherited-socket", str(descriptor)]
    return spawn(command, signal.SIGTERM, pass_fds=[descriptor])
