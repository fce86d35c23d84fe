"""The audience that an author chooses for a post or a live room."""

from protocol import errors
from protocol.posts import Visibility
from storage import circles
from storage.database import Transaction


async def chosen_audience(
    tx: Transaction, visibility: Visibility | None, circle_id: str | None
) -> tuple[Visibility, int | None]:
    """Return the visibility ("public" by default) and the id of the circle, which is locked.

    Raises INVALID_ARGUMENT unless the circle comes with the visibility "circle", NOT_FOUND if it is not the caller's.
    """
    if (visibility == "circle") != (circle_id is not None):
        raise errors.invalid("circle_id", "is required with the visibility circle, and only allowed with it")
    if circle_id is None:
        return visibility or "public", None
    if not await circles.lock(tx, int(circle_id)):
        raise errors.not_found("circle")
    return "circle", int(circle_id)
