"""Processes that a benchmark starts, pins to a core, watches and stops."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from gateway.child_process import spawn

ROOT = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
SETTLED_SHARE = 0.04  # of a core
SETTLE_STEP_S = 0.25
_PAGE = os.sysconf("SC_PAGE_SIZE")


class ProcessFailed(Exception):
    """A process ended, or never answered; the message includes the end of its log."""


class Process:
    """A child process pinned to a core. speaks: its standard output is read by `said`, not written to the log."""

    def __init__(
        self, command: Sequence[str], settings: dict[str, str], cores: str, log: Path, *, speaks: bool = False
    ) -> None:
        self._log = log
        pinned = ["taskset", "--cpu-list", cores, *command]
        with log.open("wb") as said:
            self._process = spawn(
                pinned, signal.SIGKILL, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **settings},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE if speaks else said, stderr=said,
            )  # fmt: skip
        self.pid = self._process.pid

    @property
    def cpu(self) -> float:
        """CPU seconds of all its threads, in user and system mode."""
        # The clock id of another process, as in clock_getcpuclockid(3): far finer than the ticks of /proc.
        return time.clock_gettime(~self.pid << 3 | 2)

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE

    def signal(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def write(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    async def said_ready(self) -> None:
        """Wait until it has written a line."""
        await self.said()

    async def said(self) -> str:
        """Return its next line. Raises ProcessFailed if it has ended."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), START_TIMEOUT_S)
        if not line:
            raise self._failed("it ended")
        return line.decode()

    async def listens(self, port: int) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise self._failed(f"it does not listen on {port}") from None
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return

    async def stop(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def last_words(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-1_000:].strip()

    def _failed(self, what: str) -> ProcessFailed:
        return ProcessFailed(f"{what}\n{self.last_words}")


def python(module: str) -> list[str]:
    return [sys.executable, "-m", module]


async def settled(processes: Sequence[Process], patience: float) -> None:
    """Wait until the processes were nearly idle three times in a row, or for `patience` seconds."""
    quiet, deadline = 0, time.monotonic() + patience
    before = sum(process.cpu for process in processes)
    while quiet < 3 and time.monotonic() < deadline:
        await asyncio.sleep(SETTLE_STEP_S)
        now = sum(process.cpu for process in processes)
        quiet = quiet + 1 if now - before < SETTLED_SHARE * SETTLE_STEP_S * len(processes) else 0
        before = now
