"""The header that names a trace in another process: https://www.w3.org/TR/trace-context/."""

from typing import NamedTuple

LENGTH = 55
SAMPLED = "-01"


class Remote(NamedTuple):
    trace_id: int
    span_id: int
    is_sampled: bool


def write(trace_id: int, span_id: int, *, is_sampled: bool) -> str:
    return f"00-{trace_id:032x}-{span_id:016x}-{'01' if is_sampled else '00'}"


def read(parent: str) -> Remote | None:
    """None if it is wrong, or of another version than 00."""
    parts = parent.split("-")
    if len(parent) != LENGTH or [len(part) for part in parts] != [2, 32, 16, 2] or parts[0] != "00":
        return None
    try:
        trace_id, span_id, flags = (int(part, 16) for part in parts[1:])
    except ValueError:
        return None
    return Remote(trace_id, span_id, bool(flags & 1)) if trace_id and span_id else None
