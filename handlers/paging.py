"""Keyset pages by an id: a sealed cursor continues after the last id of the page, most often newest first."""

from collections.abc import Sequence

from handlers.call import Call
from protocol import errors
from protocol.fields import MAX_ID

DEFAULT_LIMIT = 20


def page_start(call: Call, scope: str, cursor: str | None, *, first: int = MAX_ID) -> int:
    """The id after which the page starts; `first` for the first page. Raises INVALID_ARGUMENT naming the cursor."""
    place = call.services.cursors.open(call.viewer.id, f"{call.method}:{scope}", cursor)
    if place is None:
        return first
    if not place.isdecimal():
        raise errors.invalid("cursor", "does not belong to this list")
    return int(place)


def cursor_after(call: Call, scope: str, ids: Sequence[int], limit: int) -> str | None:
    """ids: of the rows that the page looked up; None if there are fewer than `limit`, at the end of the list."""
    return next_cursor(call, scope, ids[-1] if len(ids) == limit else None)


def next_cursor(call: Call, scope: str, last_id: int | None) -> str | None:
    """last_id: the id of the last row of the page, or None at the end of the list."""
    if last_id is None:
        return None
    return call.services.cursors.seal(call.viewer.id, f"{call.method}:{scope}", str(last_id))
