"""Pages of a list that is ranked once: a sealed cursor names the stored order, and the position in it."""

import secrets
from typing import TypeVar

from handlers.call import Call
from protocol import errors
from storage.stored_orders import StoredOrders

T = TypeVar("T")


def place_in_order(call: Call, scope: str, cursor: str | None) -> tuple[str, int]:
    """The token of the order, and how many of its entries were passed: a new one and 0 without a cursor.

    Raises INVALID_ARGUMENT naming the cursor.
    """
    place = call.services.cursors.open(call.viewer.id, scope, cursor)
    if place is None:
        return secrets.token_hex(8), 0
    token, _, passed = place.partition(":")
    return token, int(passed)


async def stored_order(orders: StoredOrders[T], token: str) -> T:
    """Raises FAILED_PRECONDITION if it has expired."""
    order = await orders.read(token)
    if order is None:
        raise errors.failed_precondition("this cursor has expired: begin again without one")
    return order


def cursor_in_order(call: Call, scope: str, token: str, passed: int, length: int) -> str | None:
    """None at the end of the order."""
    if passed >= length:
        return None
    return call.services.cursors.seal(call.viewer.id, scope, f"{token}:{passed}")
