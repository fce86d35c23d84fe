"""Circles: named lists of people that only their owner sees, used as visibility of posts."""

from collections.abc import Sequence

from handlers.call import Call
from protocol import errors
from protocol.events import AccessNarrowed
from protocol.posts import Circle, CircleList, CircleMembers, CircleRef, CreateCircle, UpdateCircle
from protocol.rpc import NoArguments, Nothing, methods
from storage import circles, present, users
from storage.database import Transaction


@methods.rpc("circle.create")
async def create_circle(call: Call, request: CreateCircle, tx: Transaction) -> Circle:
    """A new circle, with those people in it."""
    if await circles.count(tx) >= circles.MOST_CIRCLES:
        raise errors.failed_precondition(f"nobody has more than {circles.MOST_CIRCLES} circles")
    circle_id = call.services.ids.mint()
    await circles.insert(tx, id=circle_id, owner_id=call.viewer.id, name=request.name)
    await _add(call, tx, circle_id, request.user_ids or [])
    return (await _present(tx, circle_id))[0]


@methods.rpc("circle.update")
async def update_circle(call: Call, request: UpdateCircle, tx: Transaction) -> Circle:
    """Rename a circle."""
    circle_id = int(request.circle_id)
    if not await circles.rename(tx, circle_id, request.name):
        raise errors.not_found("circle")
    return (await _present(tx, circle_id))[0]


@methods.rpc("circle.delete")
async def delete_circle(call: Call, request: CircleRef, tx: Transaction) -> Nothing:
    """Delete a circle; its posts are then seen by their author alone."""
    if not await circles.delete(tx, int(request.circle_id)):
        raise errors.not_found("circle")
    await call.services.outbox.add(tx, AccessNarrowed(owner_id=call.viewer.id, user_ids=()))
    call.after_commit(lambda: call.services.broadcaster.close(call.viewer.id, "all"))
    return Nothing()


@methods.rpc("circle.list", reads=True)
async def list_circles(call: Call, request: NoArguments, tx: Transaction) -> CircleList:
    """The caller's circles, newest first."""
    return CircleList(items=await _present(tx, None))


@methods.rpc("circle.add")
async def add_to_circle(call: Call, request: CircleMembers, tx: Transaction) -> Circle:
    """Put people into a circle."""
    circle_id = int(request.circle_id)
    await _lock(tx, circle_id)
    await _add(call, tx, circle_id, request.user_ids)
    return (await _present(tx, circle_id))[0]


@methods.rpc("circle.remove")
async def remove_from_circle(call: Call, request: CircleMembers, tx: Transaction) -> Circle:
    """Take people out of a circle; they lose sight of its posts."""
    circle_id = int(request.circle_id)
    await _lock(tx, circle_id)
    removed = tuple(map(int, request.user_ids))
    await circles.remove(tx, circle_id, removed)
    await call.services.outbox.add(tx, AccessNarrowed(owner_id=call.viewer.id, user_ids=removed))
    call.after_commit(lambda: call.services.broadcaster.evict(removed, call.viewer.id))
    return (await _present(tx, circle_id))[0]


async def _lock(tx: Transaction, circle_id: int) -> None:
    if not await circles.lock(tx, circle_id):
        raise errors.not_found("circle")


async def _add(call: Call, tx: Transaction, circle_id: int, user_ids: Sequence[str]) -> None:
    wanted = {int(user_id) for user_id in user_ids}
    found = await users.load(tx, list(wanted))
    if wanted - found.keys() or call.viewer.id in wanted or any(row["blocks"] for row in found.values()):
        raise errors.invalid("user_ids", "names somebody who cannot be in the circle")
    if wanted and await circles.add(tx, circle_id, call.viewer.id, list(wanted)) > circles.MOST_MEMBERS:
        raise errors.failed_precondition(f"a circle has no more than {circles.MOST_MEMBERS} people")


async def _present(tx: Transaction, circle_id: int | None) -> list[Circle]:
    rows = await circles.load(tx, circle_id)
    members = await users.load_lite(tx, [user_id for row in rows for user_id in row["member_ids"]])
    return [present.circle(row, members) for row in rows]
