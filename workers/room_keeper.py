"""The keeper of live rooms: gives a room whose host is gone a new one, and ends a room whose stage is empty."""

import asyncio
import time

import structlog

from protocol.events import RoomClosedEvent
from stage.roster import Absence
from stage.succession import replace_host
from storage import audit, live_rooms
from storage.database import Transaction
from workers.job import Tools
from workers.live_rooms import show_host
from workers.polling_loop import run_polling

HOST_GRACE_S = 20.0
EMPTY_STAGE_S = 300.0
LOOK_EVERY_S = 0.5
FIND_EVERY_S = 60.0  # finds rooms whose due time was lost with Redis
LATER_S = 10.0
PAGE = 500

log = structlog.get_logger()


async def keep_rooms(tools: Tools, stop: asyncio.Event) -> None:
    """Check rooms whose host or stage is gone, until `stop` is set."""
    find_at = 0.0

    async def turn() -> bool:
        nonlocal find_at
        if time.monotonic() > find_at:
            await _find_live(tools)
            find_at = time.monotonic() + FIND_EVERY_S
        for room_id, due in (await tools.roster.due(time.time(), PAGE)).items():
            await _look_after_safely(tools, room_id, due)
        return False

    await run_polling("keeper", turn, LOOK_EVERY_S, stop)


async def _find_live(tools: Tools) -> None:
    last = 0
    while True:
        async with tools.database.transaction() as tx:
            page = await live_rooms.live_after(tx, last, PAGE)
        looks = await tools.roster.look_at(dict.fromkeys(page, 0))
        for room_id, host_id in page.items():
            look = looks[room_id]
            if host_id not in look.stage:
                await tools.roster.watch_out(room_id)
            if look.host_id != host_id:  # Redis has lost the host of this room
                await show_host(tools, room_id, f"sweep-{host_id}")
        if len(page) < PAGE:
            return
        last = max(page)


async def _look_after_safely(tools: Tools, room_id: int, due: str) -> None:
    """`_look_after`, but an error is logged and the room checked again later, so that others are not delayed."""
    try:
        await _look_after(tools, room_id, due)
    except Exception as error:
        log.warning("a live room could not be checked", room_id=room_id, error=f"{type(error).__name__}: {error}")
        await tools.roster.looked(room_id, due, time.time() + LATER_S)


async def _look_after(tools: Tools, room_id: int, due: str) -> None:
    """Give the room a new host or end it if it is time, else note when to check it again."""
    again = None
    async with tools.database.transaction() as tx:
        host_id = await live_rooms.lock_live(tx, room_id)
        if host_id is None and await live_rooms.states(tx, [room_id]) == {room_id: "live"}:
            return  # another keeper has locked it
        if host_id is not None:
            absence = await tools.roster.absence(room_id, host_id)
            again = _look_again_at(absence)
            if absence.stage_s is not None and absence.stage_s >= EMPTY_STAGE_S:
                await live_rooms.close(tx, room_id)
                await tools.outbox.add(tx, RoomClosedEvent(room_id=room_id))
                await _note(tools, tx, "room.close", room_id, reason="nobody on the stage")
            elif absence.host_s is not None and absence.host_s >= HOST_GRACE_S:
                heir_id = await replace_host(tx, tools.roster, tools.outbox, room_id, host_id)
                if heir_id is not None:
                    await _note(tools, tx, "room.hand_over", room_id, to=heir_id)
    tools.outbox.wake_relay()
    await tools.roster.looked(room_id, due, again)


def _look_again_at(absence: Absence) -> float | None:
    """When to check the room again (s since 1970); None while its host and stage are present."""
    waits = []
    if absence.host_s is not None and absence.host_s < HOST_GRACE_S:
        waits.append(HOST_GRACE_S - absence.host_s)
    if absence.stage_s is not None:
        waits.append(max(EMPTY_STAGE_S - absence.stage_s, 0))
    return time.time() + min(waits) if waits else None


async def _note(tools: Tools, tx: Transaction, action: str, room_id: int, **changes: object) -> None:
    """Add an audit row without an actor."""
    await audit.add(
        tx,
        id=tools.ids.mint(),
        actor_id=None,
        action=action,
        resource=f"room:{room_id}",
        ip=None,
        user_agent=None,
        **changes,
    )
