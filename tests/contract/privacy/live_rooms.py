"""Live rooms: who sees them, their stage, their messages, and who is inside."""

import asyncio
from typing import Any

from tests.contract.privacy import moderation
from tests.contract.privacy.rows import CallRow, Cell, Cells, opens
from tests.contract.privacy.world import ACCOUNTS, HOST, VIEWERS, VISIBILITIES, Thing, Things, World


async def make(world: World) -> None:
    """Rooms of each visibility without users inside, rooms that have ended, and the room in which all are."""
    await asyncio.gather(*(_make_rooms(world, account) for account in ACCOUNTS))
    hall = await open_room(world, HOST, "public", "hall")
    await world.everybody_may("room.join", {name: [{"room_id": hall.id}] for name in (HOST, *VIEWERS)})
    for name in (HOST, *ACCOUNTS):
        await say(world, name, f"{name}.says")
    await _end_annex(world)
    for room in world.of_kind("room", ACCOUNTS) + world.of_kind("ended room", ACCOUNTS):
        await _add_recording(world, room)
    hall.shows += tuple((world.user(account), "act") for account in ACCOUNTS)
    await raise_hands(world)


async def _end_annex(world: World) -> None:
    """A room of the host that has ended, in which the accounts said something that its digest shows."""
    annex = await open_room(world, HOST, "public", "annex")
    annex.kind = "ended room"
    for name in (HOST, *ACCOUNTS):
        await world.people[name].call("room.join", room_id=annex.id)
        said = await say(world, name, f"{name}.said", annex)
        await world.people[name].call("room.react", room_id=annex.id, message_id=said.id, emoji="🔥")
    missing = 1 + len(ACCOUNTS)
    while missing > 0:
        missing -= (await world.people[HOST].expect("room.reacted", room_id=annex.id))["counts"]["🔥"]
    await close_room(world, annex)


async def _make_rooms(world: World, account: str) -> None:
    for visibility in VISIBILITIES:
        await open_room(world, account, visibility, f"{account}.{visibility}_room")
    for word in (*moderation.WITHHELD_OR_NOT, "limited"):
        await open_room(world, account, "public", f"{account}.room.{word}")
    await close_room(world, await open_room(world, account, "public", f"{account}.ended_room"))


async def open_room(world: World, owner: str, visibility: str, name: str) -> Thing:
    """A new live room. Its host is not inside."""
    arguments = {"topic": world.token(name), "visibility": visibility}
    if visibility == "circle":
        arguments["circle_id"] = world.circles[owner]
    room = await world.people[owner].call("room.create", **arguments)
    await world.people[owner].call("room.start", room_id=room["id"])
    return world.add(Thing("room", name, room["id"], owner, ((owner, visibility),), ((world.user(owner), "profile"),)))


async def _add_recording(world: World, room: Thing) -> None:
    """As workers store it: a file that the room uses."""
    recording_id, name = world.cluster.stores.ids.mint(), f"{room.name}.recording"
    key = f"private/{recording_id}/0123456789abcdef01234/"
    owner = await world.cluster.owner()
    await owner.execute(
        """INSERT INTO media (id, owner_id, kind, status, content_type, filename, size_bytes, alt, target_type,
                              target_id, position, object_key)
        SELECT $1, host_id, 'audio', 'ready', 'audio/ogg', 'x', 9, $3, 'room', id, 0, $4 FROM rooms WHERE id = $2""",
        recording_id,
        int(room.id),
        world.token(name),
        key,
    )
    await owner.execute(
        """INSERT INTO room_recordings (id, room_id, started_by, state, object_key, ended_at)
        SELECT $1, id, host_id, 'saved', $3, now() FROM rooms WHERE id = $2""",
        recording_id,
        int(room.id),
        key,
    )
    await owner.close()
    file = Thing("file", name, str(recording_id), room.owner, room.conditions)
    file.part_of = room
    world.add(file)


async def close_room(world: World, room: Thing) -> None:
    await world.people[room.owner].call("room.close", room_id=room.id)
    room.kind = "ended room"


async def say(world: World, sender: str, name: str, room: Thing | None = None) -> Thing:
    """A new message in the room, or else in the one where all are."""
    room = room or world.place("room")
    sent = await world.people[sender].call("room.send", room_id=room.id, text=world.token(name))
    conditions = (*room.conditions, (sender, "act"))
    message = Thing("room message", name, sent["id"], sender, conditions, ((world.user(sender), "act"),))
    message.part_of = room
    return world.add(message)


async def raise_hands(world: World) -> None:
    for name in ACCOUNTS:
        await world.people[name].call("room.raise_hand", room_id=world.place("room").id, raised=True)


def _each_room(world: World, viewer: str) -> list[Cell]:
    rooms = world.of_kind("room") + world.of_kind("ended room")
    return [opens(world, viewer, room, {"room_id": room.id}) for room in rooms]


def _rooms(world: World, viewer: str) -> list[Cell]:
    live, ended = (world.shown(viewer, _listed(world, viewer, kind)) for kind in ("room", "ended room"))
    by_state = {None: live, "live": live, "ended": ended}
    return [Cell({"state": state, "limit": 100}, shows) for state, shows in by_state.items()]


def _listed(world: World, viewer: str, kind: str) -> list[Thing]:
    """A limited room is listed for its owner and for those who follow them."""
    knows = {owner for owner in (HOST, *ACCOUNTS) if world.tie(viewer, owner) & {"self", "follows"}}
    return [room for room in world.of_kind(kind) if room.found_by == "all" or room.owner in knows]


def _entries(world: World, viewer: str) -> list[Cell]:
    also = _taking_part(world, viewer)
    cells = [opens(world, viewer, room, {"room_id": room.id}) for room in world.of_kind("room", ACCOUNTS)]
    ended = [
        opens(world, viewer, room, {"room_id": room.id}, then="FAILED_PRECONDITION")
        for room in world.of_kind("ended room")
    ]
    return [cell._replace(also=also) for cell in cells] + ended


async def _leave_rooms(world: World) -> None:
    rooms = [{"room_id": room.id} for room in world.of_kind("room", ACCOUNTS)]
    await world.everybody("room.leave", dict.fromkeys(VIEWERS, rooms))


def _participants(world: World, viewer: str) -> list[Cell]:
    hall = world.place("room")
    inside = _taking_part(world, viewer)
    cells = [opens(world, viewer, room, {"room_id": room.id, "limit": 100}) for room in world.of_kind("room", ACCOUNTS)]
    cells = [cell._replace(shows=(), also=inside) for cell in cells]
    return [Cell({"room_id": hall.id, "limit": 100}, inside), *cells]


def _taking_part(world: World, viewer: str) -> Things:
    """The users of the world whose acts reach the viewer."""
    return frozenset(world.user(name) for name in (HOST, *VIEWERS) if world.may(viewer, name, "profile", "act"))


def _room_messages(world: World, viewer: str) -> list[Cell]:
    hall = world.place("room")
    messages = world.shown(viewer, [each for each in world.of_kind("room message") if each.part_of is hall])
    cells = [opens(world, viewer, room, {"room_id": room.id}) for room in world.of_kind("room", ACCOUNTS)]
    return [Cell({"room_id": hall.id}, messages), *(cell._replace(shows=()) for cell in cells)]


def _recordings(world: World, viewer: str) -> list[Cell]:
    cells = []
    for room in world.of_kind("room") + world.of_kind("ended room"):
        files = world.shown(viewer, [file for file in world.of_kind("file") if file.part_of is room])
        cells.append(opens(world, viewer, room, {"room_id": room.id})._replace(shows=files))
    return cells


def _digests(world: World, viewer: str) -> list[Cell]:
    live = [
        opens(world, viewer, room, {"room_id": room.id}, then="FAILED_PRECONDITION") for room in world.of_kind("room")
    ]
    ended = []
    for room in world.of_kind("ended room"):
        said = world.shown(viewer, [each for each in world.of_kind("room message") if each.part_of is room])
        cell = opens(world, viewer, room, {"room_id": room.id})
        ended.append(cell._replace(shows={*cell.shows, *said}))
    return live + ended


def _commands(then: str = "PERMISSION_DENIED", **more: Any) -> Cells:
    """Acts of a host, by others."""

    def cells(world: World, viewer: str) -> list[Cell]:
        return [
            opens(world, viewer, room, {"room_id": room.id, **more}, then=then)
            for room in world.of_kind("room", ACCOUNTS)
            if room.owner != viewer
        ]

    return cells


def _invitations(world: World, viewer: str) -> list[Cell]:
    return _commands(user_ids=[world.user(HOST).id])(world, viewer)


def _moderation(**more: Any) -> Cells:
    """Acts of moderation, in the rooms of the private account."""

    def cells(world: World, viewer: str) -> list[Cell]:
        found = _commands(user_id=world.user(HOST).id, **more)(world, viewer)
        rooms = {room.id for room in world.of_kind("room", ["private"])}
        return [cell for cell in found if cell.arguments["room_id"] in rooms]

    return cells


def _outside(code: str, **more: Any) -> Cells:
    """Acts of a participant in rooms that the viewer may not see."""

    def cells(world: World, viewer: str) -> list[Cell]:
        rooms = [room for room in world.of_kind("room") if not world.sees(viewer, room)]
        return [Cell({"room_id": room.id, **more}, refused=code) for room in rooms]

    return cells


def _foreign_messages(world: World, viewer: str) -> list[Cell]:
    hall = world.place("room")
    return [
        opens(world, viewer, message, {"room_id": hall.id, "message_id": message.id}, then="PERMISSION_DENIED")
        for message in world.of_kind("room message")
        if message.part_of is hall and message.owner != viewer
    ]


CALLS = {
    "room.ban": CallRow(_moderation()),
    "room.close": CallRow(_commands()),
    "room.delete_message": CallRow(_foreign_messages),
    "room.digest": CallRow(_digests),
    "room.get": CallRow(_each_room),
    "room.invite": CallRow(_invitations),
    "room.join": CallRow(_entries, restore=_leave_rooms),
    "room.kick": CallRow(_moderation()),
    "room.list": CallRow(_rooms),
    "room.messages": CallRow(_room_messages),
    "room.mute": CallRow(_moderation(muted=True)),
    "room.participants": CallRow(_participants),
    "room.raise_hand": CallRow(_outside("NOT_FOUND", raised=True)),
    "room.react": CallRow(_outside("FAILED_PRECONDITION", emoji="🔥")),
    "room.record": CallRow(_commands(on=False)),
    "room.recordings": CallRow(_recordings),
    "room.send": CallRow(_outside("NOT_FOUND", text="hello")),
    "room.set_role": CallRow(_moderation(role="speaker")),
    "room.start": CallRow(_commands("FAILED_PRECONDITION")),
    "room.transfer_host": CallRow(_moderation()),
    "room.unban": CallRow(_moderation()),
    "room.update": CallRow(_commands(version=1, topic="mine")),
}
