"""Children of `serve --processes` get the time of their drain to end, and are then killed."""

import subprocess
import sys
import time

import pytest

from gateway import supervisor
from tests.patience import WAIT_S

CHILD = """
import os, signal, time

def end(*_):
    time.sleep({seconds})
    os._exit(0)

signal.signal(signal.SIGTERM, end)
print(flush=True)
time.sleep(60)
"""


@pytest.fixture
def spawned(monkeypatch):
    """Return a function that makes children end that many seconds after SIGTERM; it returns the list of children."""
    started: list[subprocess.Popen[bytes]] = []

    def stubborn(seconds: float) -> list[subprocess.Popen[bytes]]:
        program = CHILD.format(seconds=seconds)

        def spawn(listener: object) -> subprocess.Popen[bytes]:
            process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
            assert process.stdout is not None
            process.stdout.readline()  # from here on it handles the signal
            started.append(process)
            return process

        monkeypatch.setattr(supervisor, "_spawn", spawn)
        return started

    yield stubborn
    for process in started:
        process.kill()
        process.communicate()


async def test_a_child_may_use_its_whole_drain_time(spawned, monkeypatch):
    monkeypatch.setattr(supervisor, "CLOSING_S", 0.5)
    started = spawned(1.0)
    async with supervisor.children(None, 1, drain_s=10.0):
        pass
    assert [process.returncode for process in started] == [0]


async def test_children_that_do_not_end_are_killed_together(spawned, monkeypatch):
    monkeypatch.setattr(supervisor, "CLOSING_S", 0.5)
    started = spawned(60.0)
    async with supervisor.children(None, 5, drain_s=1.0):
        began = time.monotonic()
    assert 1.5 <= time.monotonic() - began < 5 * 1.5  # the time of killing one after the other
    assert [process.wait(WAIT_S) for process in started] == [-9] * 5
