"""The push that all benchmarks broadcast: it has a fixed length and carries the time of publishing."""

import itertools
import secrets
import time
from typing import ClassVar

from msgspec import to_builtins

from bench.realtime import frames
from protocol.pushes import Push

EVENT = "bench.tick"
TEXT = "as long as the text of a typical push about a user's post"
MARK = b"sent_at\xcf"  # followed by eight bytes: nanoseconds of the monotonic clock, which all processes share

_run = secrets.token_hex(3)  # each push id is published only once, and each measurement starts a new publisher
_numbers = itertools.count(1)


class Tick(Push, frozen=True):
    event: ClassVar[str] = EVENT
    sent_at: int
    text: str = TEXT


def next_tick() -> Tick:
    # Fixed width: a reader that knows the length of one frame can count the frames of a chunk without parsing it.
    return Tick(id=f"tick:{_run}{next(_numbers):08}", sent_at=time.monotonic_ns())


def frame() -> bytes:
    """Return a tick as the WebSocket frame that a client gets, without an offset."""
    return frames.event(EVENT, to_builtins(next_tick()))
