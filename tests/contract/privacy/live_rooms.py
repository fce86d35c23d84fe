"""Live rooms: who sees them, their stage, their messages, and who is inside."""

import asyncio
from typing import Any

from tests.contract.privacy.relations import RELATIONS
from tests.contract.privacy.rows import CallRow, Cell, Cells, PushRow, Told, opens, told
from tests.contract.privacy.world import ACCOUNTS, HOST, VIEWERS, VISIBILITIES, Thing, Things, World


async def make(world: World) -> None:
    """Rooms of each visibility without users inside, rooms that have ended, and the room in which all are."""
    await asyncio.gather(*(_make_rooms(world, account) for account in ACCOUNTS))
    hall = await _open_room(world, HOST, "public", "hall")
    await world.everybody_may("room.join", {name: [{"room_id": hall.id}] for name in (HOST, *VIEWERS)})
    for name in (HOST, *ACCOUNTS):
        await _say(world, name, f"{name}.says")
    hall.shows += tuple((world.user(account), "act") for account in ACCOUNTS)
    await _raise_hands(world)


async def _make_rooms(world: World, account: str) -> None:
    for visibility in VISIBILITIES:
        await _open_room(world, account, visibility, f"{account}.{visibility}_room")
    await _close_room(world, await _open_room(world, account, "public", f"{account}.ended_room"))


async def _open_room(world: World, owner: str, visibility: str, name: str) -> Thing:
    """A new live room. Its host is not inside."""
    arguments = {"topic": world.token(name), "visibility": visibility}
    if visibility == "circle":
        arguments["circle_id"] = world.circles[owner]
    room = await world.people[owner].call("room.create", **arguments)
    await world.people[owner].call("room.start", room_id=room["id"])
    return world.add(Thing("room", name, room["id"], owner, ((owner, visibility),), ((world.user(owner), "profile"),)))


async def _close_room(world: World, room: Thing) -> None:
    await world.people[room.owner].call("room.close", room_id=room.id)
    room.kind = "ended room"


async def _say(world: World, sender: str, name: str) -> Thing:
    """A new message in the room where all are."""
    hall = world.place("room")
    sent = await world.people[sender].call("room.send", room_id=hall.id, text=world.token(name))
    conditions = (*hall.conditions, (sender, "act"))
    return world.add(Thing("room message", name, sent["id"], sender, conditions, ((world.user(sender), "act"),)))


def _each_room(world: World, viewer: str) -> list[Cell]:
    rooms = world.of_kind("room") + world.of_kind("ended room")
    return [opens(world, viewer, room, {"room_id": room.id}) for room in rooms]


def _rooms(world: World, viewer: str) -> list[Cell]:
    live, ended = world.shown(viewer, world.of_kind("room")), world.shown(viewer, world.of_kind("ended room"))
    by_state = {None: live, "live": live, "ended": ended}
    return [Cell({"state": state, "limit": 100}, shows) for state, shows in by_state.items()]


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
    messages = world.shown(viewer, world.of_kind("room message"))
    cells = [opens(world, viewer, room, {"room_id": room.id}) for room in world.of_kind("room", ACCOUNTS)]
    return [Cell({"room_id": hall.id}, messages), *(cell._replace(shows=()) for cell in cells)]


def _digests(world: World, viewer: str) -> list[Cell]:
    live = [
        opens(world, viewer, room, {"room_id": room.id}, then="FAILED_PRECONDITION") for room in world.of_kind("room")
    ]
    return live + [opens(world, viewer, room, {"room_id": room.id}) for room in world.of_kind("ended room")]


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
    def cells(world: World, viewer: str) -> list[Cell]:
        return _commands(user_id=world.user(HOST).id, **more)(world, viewer)

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
        if message.owner != viewer
    ]


def _told_inside(world: World, actor: str, *things: Thing) -> Told:
    """An act in the room where all are."""
    return told(world.audience((actor, "act")), world.place("room"), *things)


async def _messages(world: World) -> list[Told]:
    sent = {name: await _say(world, name, world.new_name(name, "says")) for name in ACCOUNTS}
    return [_told_inside(world, name, message, world.user(name)) for name, message in sent.items()]


async def _deleted_messages(world: World) -> list[Told]:
    hall = world.place("room")
    sent = {name: await _say(world, name, world.new_name(name, "says")) for name in ACCOUNTS}
    for name, message in sent.items():
        await world.people[name].call("room.delete_message", room_id=hall.id, message_id=message.id)
        message.is_deleted = True
    return [_told_inside(world, name, message) for name, message in sent.items()]


async def _leave_and_join(world: World) -> list[Told]:
    hall = world.place("room")
    for name in ACCOUNTS:
        await world.people[name].call("room.leave", room_id=hall.id)
        await world.people[name].call("room.join", room_id=hall.id)
    return [_told_inside(world, name, world.user(name)) for name in ACCOUNTS]


async def _left(world: World) -> list[Told]:
    """The user who leaves is not told."""
    both = await _leave_and_join(world)
    return [each._replace(viewers=each.viewers - {actor}) for actor, each in zip(ACCOUNTS, both, strict=True)]


async def _raise_hands(world: World) -> None:
    for name in ACCOUNTS:
        await world.people[name].call("room.raise_hand", room_id=world.place("room").id, raised=True)


async def _updated(world: World) -> list[Told]:
    hall = world.place("room")
    for name in ACCOUNTS:
        await world.people[name].call("room.raise_hand", room_id=hall.id, raised=False)
    await _raise_hands(world)
    return [Told({viewer}, world.shown(viewer, [hall])) for viewer in VIEWERS]


async def _invited(world: World) -> list[Told]:
    found = []
    everybody = [world.user(viewer).id for viewer in RELATIONS]
    for account in ACCOUNTS:
        party = await _open_room(world, account, "private", world.new_name(account, "party"))
        await world.people[account].call("room.invite", room_id=party.id, user_ids=everybody)
        party.conditions = ((account, "contact"),)
        viewers = world.audience((account, "contact"), (account, "act")) & {*RELATIONS}
        found.append(told(viewers, party, world.user(account)))
        await world.cluster.settle()
        await _close_room(world, party)
    return found


async def _fill_rooms(world: World) -> list[tuple[Thing, set[str]]]:
    """New rooms of each visibility, with all inside who may be, which are then closed."""
    found = []
    for account in ACCOUNTS:
        for visibility in VISIBILITIES:
            room = await _open_room(world, account, visibility, world.new_name(account, visibility, "room"))
            inside = world.audience(*room.conditions)
            await world.everybody_may("room.join", {viewer: [{"room_id": room.id}] for viewer in inside})
            await _close_room(world, room)
            found.append((room, inside))
    return found


async def _closed(world: World) -> list[Told]:
    return [told(inside, room, world.user(room.owner)) for room, inside in await _fill_rooms(world)]


async def _digested(world: World) -> list[Told]:
    return [told(inside, room) for room, inside in await _fill_rooms(world)]


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
    "room.send": CallRow(_outside("NOT_FOUND", text="hello")),
    "room.set_role": CallRow(_moderation(role="speaker")),
    "room.start": CallRow(_commands("FAILED_PRECONDITION")),
    "room.transfer_host": CallRow(_moderation()),
    "room.unban": CallRow(_moderation()),
    "room.update": CallRow(_commands(version=1, topic="mine")),
}
PUSHES = {
    "room.closed": PushRow(_closed),
    "room.digested": PushRow(_digested),
    "room.invited": PushRow(_invited),
    "room.joined": PushRow(_leave_and_join, restore=_raise_hands),
    "room.left": PushRow(_left, restore=_raise_hands),
    "room.message": PushRow(_messages),
    "room.message_deleted": PushRow(_deleted_messages),
    "room.updated": PushRow(_updated, last=True),
}
