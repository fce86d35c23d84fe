"""Chats: a group of the host, a group of each account, and a direct chat of each account with each viewer who may.

Members of a group who hide each other stay in it. A block hides a direct chat from both, and what was said in it.
"""

import asyncio
from typing import Any

from tests.contract.privacy import moderation
from tests.contract.privacy.relations import RELATIONS
from tests.contract.privacy.rows import CallRow, Cell, Cells
from tests.contract.privacy.world import ACCOUNTS, HOST, VIEWERS, Thing, World


async def make(world: World) -> None:
    """Groups of all who may be in them, and what the accounts say there."""
    for owner in (HOST, *ACCOUNTS):
        others = [name for name in VIEWERS if name != owner and world.may(owner, name, "contact")]
        arguments = {"title": world.token(f"{owner}.club"), "user_ids": [world.user(name).id for name in others]}
        entry = await world.people[owner].call("chat.create", **arguments)
        club = Thing("group", f"{owner}.club", entry["chat"]["id"], owner, ())
        club.only = frozenset({owner, *others})
        await world.everybody_may("chat.accept", {name: [at(world.add(club))] for name in others})
        for sender in {HOST, *ACCOUNTS} & club.only:
            await say(world, sender, club, f"{owner}.club.{sender}.says")
    for account in ACCOUNTS:
        for word in moderation.WITHHELD_OR_NOT:
            await say(world, account, world.place("group"), f"{account}.writes.{word}")


async def talk(world: World) -> None:
    """Let each account open the direct chats that it may, and say something in a new one."""
    await asyncio.gather(*(_talk(world, account, name) for account in ACCOUNTS for name in RELATIONS))


async def _talk(world: World, account: str, name: str) -> None:
    if not world.may(name, account, "contact") or world.token(direct_name(account, name)) in world.things:
        return
    entry = await world.people[account].call("chat.open", user_ids=[world.user(name).id])
    both = (account, name)
    conditions = tuple((each, "talk") for each in both)
    shows = tuple((world.user(each), "profile") for each in both)
    chat = Thing("chat", direct_name(account, name), entry["chat"]["id"], account, conditions, shows)
    chat.only = frozenset(both)
    await world.people[name].call("chat.accept", **at(world.add(chat)))
    await say(world, account, chat, f"{chat.name}.says")


def direct_name(account: str, name: str) -> str:
    return f"{account}.to.{name}"


def at(chat: Thing) -> dict[str, Any]:
    return {"chat_id": chat.id}


async def say(world: World, sender: str, chat: Thing, name: str) -> Thing:
    sent = await world.people[sender].call("chat.send", **at(chat), text=world.token(name))
    what = "say" if chat.kind == "group" else "talk"
    message = Thing("chat message", name, "", sender, (*chat.conditions, (sender, what)), ((world.user(sender), what),))
    message.only, message.part_of, message.number = chat.only, chat, sent["seq"]
    return world.add(message)


def groups(world: World) -> list[Thing]:
    return world.of_kind("group")


def _chats(world: World, viewer: str) -> list[Thing]:
    """All groups, the viewer's own direct chats, and some of others."""
    own = [chat for chat in world.of_kind("chat") if viewer in (chat.only or ())]
    others = [chat for chat in world.of_kind("chat") if chat.name.endswith((".mutual", ".was_blocked"))]
    return [*groups(world), *own, *(chat for chat in others if chat not in own)]


def _said_in(world: World, chat: Thing) -> list[Thing]:
    return [each for each in world.of_kind("chat message") if each.part_of is chat and not each.is_deleted]


# -------------------------------------------------------------------------------------------------- calls


def _about_chats(then: str | None = None, **more: Any) -> Cells:
    """Calls about a chat. then: the code with which they are refused in groups that the viewer sees."""

    def cells(world: World, viewer: str) -> list[Cell]:
        found = []
        for chat in _chats(world, viewer):
            arguments = {**at(chat), **more}
            if not world.sees(viewer, chat):
                found.append(Cell(arguments, refused="NOT_FOUND"))
            elif then is not None and chat.kind == "group" and chat.owner != viewer:
                found.append(Cell(arguments, refused=then))
        return found

    return cells


def _entries(world: World, viewer: str) -> list[Cell]:
    """An entry may show the last message. A direct chat has nothing but its id to be known by."""
    found = []
    for chat in _chats(world, viewer):
        if world.sees(viewer, chat):
            also = world.shown(viewer, _said_in(world, chat))
            shows = world.shown(viewer, [chat]) - {chat if chat.kind == "chat" else None}
            found.append(Cell(at(chat), shows, also=also))
        else:
            found.append(Cell(at(chat), refused="NOT_FOUND"))
    return found


def _lists(world: World, viewer: str) -> list[Cell]:
    chats = groups(world) + world.of_kind("chat")
    shows = world.shown(viewer, chats)
    also = world.shown(viewer, world.of_kind("chat message"))
    hidden = [chat for chat in chats if viewer in (chat.only or ()) and chat not in shows]  # listed as left
    return [
        Cell({"limit": 100}, shows, also=also),
        Cell({"limit": 100, "since_version": "0.0"}, shows, also={*also, *hidden}),
    ]


def _histories(world: World, viewer: str) -> list[Cell]:
    return [
        Cell({**at(chat), "limit": 100}, world.shown(viewer, _said_in(world, chat)))
        if world.sees(viewer, chat)
        else Cell(at(chat), refused="NOT_FOUND")
        for chat in _chats(world, viewer)
    ]


def _members(world: World, viewer: str) -> list[Cell]:
    return [
        Cell({**at(chat), "limit": 100}, world.shown(viewer, map(world.user, chat.only or ())))
        if world.sees(viewer, chat)
        else Cell(at(chat), refused="NOT_FOUND")
        for chat in _chats(world, viewer)
    ]


def _openings(world: World, viewer: str) -> list[Cell]:
    found = []
    for account in {*ACCOUNTS} - {viewer} if viewer in RELATIONS else ():
        arguments = {"user_ids": [world.user(account).id]}
        if not world.may(viewer, account, "profile"):
            found.append(Cell(arguments, refused="NOT_FOUND"))
        elif not world.may(viewer, account, "contact"):
            found.append(Cell(arguments, refused="FAILED_PRECONDITION"))
        else:
            chat = world.things[world.token(direct_name(account, viewer))]
            also = world.shown(viewer, _said_in(world, chat))
            found.append(Cell(arguments, world.shown(viewer, [chat]), also=also))
    return found


def _about_messages(then: str | None = None, **more: Any) -> Cells:
    """Calls about messages of groups. then: the code with which they are refused for others' messages that are seen."""

    def cells(world: World, viewer: str) -> list[Cell]:
        found = []
        for chat in groups(world):
            for message in _said_in(world, chat):
                arguments = {**at(chat), "seq": message.number, **more}
                if not world.sees(viewer, message):
                    found.append(Cell(arguments, refused="NOT_FOUND"))
                elif then is not None and viewer not in (message.owner, chat.owner):
                    found.append(Cell(arguments, refused=then))
        return found

    return cells


def _edits(world: World, viewer: str) -> list[Cell]:
    return [
        Cell({**at(chat), "seq": message.number}, [message])
        if world.sees(viewer, message)
        else Cell({**at(chat), "seq": message.number}, refused="NOT_FOUND")
        for chat in groups(world)
        for message in _said_in(world, chat)
    ]


def _replies(world: World, viewer: str) -> list[Cell]:
    """Messages to chats that the viewer does not see, and replies to messages that are hidden from the viewer."""
    hidden = [
        Cell({**at(chat), "text": "hello", "reply_to_seq": message.number}, refused="NOT_FOUND")
        for chat in groups(world)
        for message in _said_in(world, chat)
        if not world.sees(viewer, message)
    ]
    return _about_chats(text="hello")(world, viewer) + hidden


CALLS = {
    "chat.accept": CallRow(_about_chats()),
    "chat.add": CallRow(_about_chats("PERMISSION_DENIED", user_ids=["1"])),
    "chat.delete": CallRow(_about_messages("PERMISSION_DENIED", **{"for": "everyone"})),
    "chat.delete for me": CallRow(_about_messages(**{"for": "me"})),
    "chat.edit": CallRow(_about_messages("PERMISSION_DENIED", text="mine")),
    "chat.edits": CallRow(_edits),
    "chat.get": CallRow(_entries),
    "chat.history": CallRow(_histories),
    "chat.list": CallRow(_lists),
    "chat.mark": CallRow(_about_chats(read_seq=1)),
    "chat.members": CallRow(_members),
    "chat.mute": CallRow(_about_chats(muted=False)),
    "chat.open": CallRow(_openings),
    "chat.react": CallRow(_about_messages(emoji="🔥")),
    "chat.read_by": CallRow(_about_messages()),
    "chat.remove": CallRow(_about_chats("PERMISSION_DENIED", user_id="1")),
    "chat.send": CallRow(_replies),
    "chat.set_role": CallRow(_about_chats("PERMISSION_DENIED", user_id="1", role="admin")),
    "chat.update": CallRow(_about_chats("PERMISSION_DENIED", title="mine")),
    "typing.start in chats": CallRow(_about_chats()),
}
