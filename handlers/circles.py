"""Circles: named lists of users, seen by their owner alone, which posts and rooms can be limited to."""

from collections.abc import Sequence

from handlers.call import Call
from handlers.paging import DEFAULT_LIMIT, cursor_after, page_start
from protocol import errors
from protocol.events import AccessNarrowedEvent
from protocol.posts import Circle, CircleList, CircleMembers, CircleRef, CreateCircle, ListCircles, UpdateCircle
from protocol.rpc import Nothing, methods
from storage import circles, idempotency, present, users
from storage.database import Transaction


@methods.rpc("circle.create")
async def create_circle(call: Call, request: CreateCircle, tx: Transaction) -> Circle:
    """Create a circle with these users in it."""
    circle_id = call.services.ids.mint()
    await circles.insert(tx, id=circle_id, owner_id=call.viewer.id, name=request.name)
    await _add(call, tx, circle_id, request.user_ids or [])
    return await _present(tx, circle_id)


@methods.rpc("circle.update")
async def update_circle(call: Call, request: UpdateCircle, tx: Transaction) -> Circle:
    """Rename a circle."""
    circle_id = int(request.circle_id)
    if not await circles.rename(tx, circle_id, request.name):
        raise errors.not_found("circle")
    return await _present(tx, circle_id)


@methods.rpc("circle.delete")
async def delete_circle(call: Call, request: CircleRef, tx: Transaction) -> Nothing:
    """Delete a circle. Only their author then sees its posts. Repeating it changes nothing."""
    place = idempotency.AnswerPlace(call.viewer.id, call.method, request.circle_id)
    if not await circles.delete(tx, int(request.circle_id)):
        if await idempotency.first_answer(tx, place, b"") is None:
            raise errors.not_found("circle")
        return Nothing()
    await idempotency.keep_answer(tx, place, b"", b"")
    await call.services.outbox.add(tx, AccessNarrowedEvent(owner_id=call.viewer.id, user_ids=()))
    call.after_commit(lambda: call.services.broadcaster.close(call.viewer.id, "all"))
    return Nothing()


@methods.rpc("circle.list", reads=True)
async def list_circles(call: Call, request: ListCircles, tx: Transaction) -> CircleList:
    """The caller's circles, newest first."""
    limit = request.limit or DEFAULT_LIMIT
    rows = await circles.load_page(tx, page_start(call, "", request.cursor), limit)
    cursor = cursor_after(call, "", [row["id"] for row in rows], limit)
    return CircleList(items=await _present_all(tx, rows), next_cursor=cursor)


@methods.rpc("circle.add")
async def add_to_circle(call: Call, request: CircleMembers, tx: Transaction) -> Circle:
    """Add users to a circle."""
    circle_id = int(request.circle_id)
    await _lock(tx, circle_id)
    await _add(call, tx, circle_id, request.user_ids)
    return await _present(tx, circle_id)


@methods.rpc("circle.remove")
async def remove_from_circle(call: Call, request: CircleMembers, tx: Transaction) -> Circle:
    """Remove users from a circle. They no longer see its posts."""
    circle_id = int(request.circle_id)
    await _lock(tx, circle_id)
    removed = tuple(map(int, request.user_ids))
    await circles.remove(tx, circle_id, removed)
    await call.services.outbox.add(tx, AccessNarrowedEvent(owner_id=call.viewer.id, user_ids=removed))
    call.after_commit(lambda: call.services.broadcaster.evict(removed, call.viewer.id))
    return await _present(tx, circle_id)


async def _lock(tx: Transaction, circle_id: int) -> None:
    if not await circles.lock(tx, circle_id):
        raise errors.not_found("circle")


async def _add(call: Call, tx: Transaction, circle_id: int, user_ids: Sequence[str]) -> None:
    wanted = {int(user_id) for user_id in user_ids}
    found = await users.load(tx, list(wanted))
    if wanted - found.keys() or call.viewer.id in wanted or any(row["blocks"] for row in found.values()):
        raise errors.invalid("user_ids", "contains a user who cannot be in the circle")
    if wanted:
        await circles.add(tx, circle_id, call.viewer.id, list(wanted))


async def _present(tx: Transaction, circle_id: int) -> Circle:
    [circle] = await _present_all(tx, await circles.load(tx, circle_id))
    return circle


async def _present_all(tx: Transaction, rows: Sequence[circles.CircleRow]) -> list[Circle]:
    members = await users.load_lite(tx, [user_id for row in rows for user_id in row["member_ids"]])
    return [present.circle(row, members) for row in rows]
