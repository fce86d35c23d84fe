"""Keyset pages: newest first by an id, with a sealed cursor that continues below the last one."""

from handlers.call import Call
from protocol import errors
from protocol.fields import MAX_ID

DEFAULT_LIMIT = 20


def page_start(call: Call, scope: str, cursor: str | None) -> int:
    """The id below which the page starts. Raises INVALID_ARGUMENT naming the cursor."""
    place = call.services.cursors.open(call.viewer.id, f"{call.method}:{scope}", cursor)
    if place is None:
        return MAX_ID
    if not place.isdecimal():
        raise errors.invalid("cursor", "is not one of this list")
    return int(place)


def next_cursor(call: Call, scope: str, last_id: int | None) -> str | None:
    """last_id: of the last row of a full page; None at the end of the list."""
    if last_id is None:
        return None
    return call.services.cursors.seal(call.viewer.id, f"{call.method}:{scope}", str(last_id))
