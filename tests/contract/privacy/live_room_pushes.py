"""Pushes of live rooms: to all inside, without those who hide the user who acts."""

from tests.contract.privacy.live_rooms import close_room, open_room, raise_hands, say
from tests.contract.privacy.relations import RELATIONS
from tests.contract.privacy.rows import PushRow, Told, told
from tests.contract.privacy.world import ACCOUNTS, VIEWERS, VISIBILITIES, Thing, World


def _told_inside(world: World, actor: str, *things: Thing) -> Told:
    """An act in the room where all are."""
    return told(world.audience((actor, "act")), world.place("room"), *things)


async def _messages(world: World) -> list[Told]:
    sent = {name: await say(world, name, world.new_name(name, "says")) for name in ACCOUNTS}
    return [_told_inside(world, name, message, world.user(name)) for name, message in sent.items()]


async def _deleted_messages(world: World) -> list[Told]:
    hall = world.place("room")
    sent = {name: await say(world, name, world.new_name(name, "says")) for name in ACCOUNTS}
    for name, message in sent.items():
        await world.people[name].call("room.delete_message", room_id=hall.id, message_id=message.id)
        message.is_deleted = True
    return [_told_inside(world, name, message) for name, message in sent.items()]


async def _leave_and_join(world: World) -> list[Told]:
    hall = world.place("room")
    for name in ACCOUNTS:
        await world.people[name].call("room.leave", room_id=hall.id)
        await world.people[name].call("room.join", room_id=hall.id)
        await world.cluster.settle(*world.people.values())  # the next one to leave would miss the push
    return [_told_inside(world, name, world.user(name)) for name in ACCOUNTS]


async def _left(world: World) -> list[Told]:
    """The user who leaves is not told."""
    both = await _leave_and_join(world)
    return [each._replace(viewers=each.viewers - {actor}) for actor, each in zip(ACCOUNTS, both, strict=True)]


async def _updated(world: World) -> list[Told]:
    hall = world.place("room")
    for name in ACCOUNTS:
        await world.people[name].call("room.raise_hand", room_id=hall.id, raised=False)
    await raise_hands(world)
    return [Told({viewer}, world.shown(viewer, [hall])) for viewer in VIEWERS]


async def _invited(world: World) -> list[Told]:
    found = []
    everybody = [world.user(viewer).id for viewer in RELATIONS]
    for account in ACCOUNTS:
        party = await open_room(world, account, "private", world.new_name(account, "party"))
        await world.people[account].call("room.invite", room_id=party.id, user_ids=everybody)
        party.conditions, party.only = ((account, "contact"),), frozenset({account, *RELATIONS})
        viewers = world.audience((account, "contact"), (account, "act")) & {*RELATIONS}
        found.append(told(viewers, party, world.user(account)))
        await world.cluster.settle()
        await close_room(world, party)
    return found


async def _fill_rooms(world: World) -> list[tuple[Thing, set[str]]]:
    """New rooms of each visibility, with all inside who may be, which are then closed."""
    found = []
    for account in ACCOUNTS:
        for visibility in VISIBILITIES:
            room = await open_room(world, account, visibility, world.new_name(account, visibility, "room"))
            inside = world.audience(*room.conditions)
            await world.everybody_may("room.join", {viewer: [{"room_id": room.id}] for viewer in inside})
            await close_room(world, room)
            found.append((room, inside))
    return found


async def _closed(world: World) -> list[Told]:
    return [told(inside, room, world.user(room.owner)) for room, inside in await _fill_rooms(world)]


async def _digested(world: World) -> list[Told]:
    return [told(inside, room) for room, inside in await _fill_rooms(world)]


PUSHES = {
    "room.closed": PushRow(_closed),
    "room.digested": PushRow(_digested),
    "room.invited": PushRow(_invited),
    "room.joined": PushRow(_leave_and_join, restore=raise_hands),
    "room.left": PushRow(_left, restore=raise_hands),
    "room.message": PushRow(_messages),
    "room.message_deleted": PushRow(_deleted_messages),
    "room.updated": PushRow(_updated, last=True),
}
