"""Chats: a group of the host, a group of each account, and a direct chat of each account with each viewer who may.

Members of a group who hide each other stay in it. A block hides a direct chat from both, and what was said in it.
"""

import asyncio
from typing import Any

from tests.contract.privacy.relations import RELATIONS
from tests.contract.privacy.rows import CallRow, Cell, Cells, PushRow, Told, told
from tests.contract.privacy.world import ACCOUNTS, HOST, VIEWERS, Thing, World


async def make(world: World) -> None:
    """Groups of all who may be in them, and what the accounts say there."""
    for owner in (HOST, *ACCOUNTS):
        others = [name for name in VIEWERS if name != owner and world.may(owner, name, "contact")]
        arguments = {"title": world.token(f"{owner}.club"), "user_ids": [world.user(name).id for name in others]}
        entry = await world.people[owner].call("chat.create", **arguments)
        club = Thing("group", f"{owner}.club", entry["chat"]["id"], owner, ())
        club.only = frozenset({owner, *others})
        await world.everybody_may("chat.accept", {name: [_at(world.add(club))] for name in others})
        for sender in {HOST, *ACCOUNTS} & club.only:
            await _say(world, sender, club, f"{owner}.club.{sender}.says")


async def talk(world: World) -> None:
    """Let each account open the direct chats that it may, and say something in a new one."""
    await asyncio.gather(*(_talk(world, account, name) for account in ACCOUNTS for name in RELATIONS))


async def _talk(world: World, account: str, name: str) -> None:
    if not world.may(name, account, "contact") or world.token(_direct(account, name)) in world.things:
        return
    entry = await world.people[account].call("chat.open", user_ids=[world.user(name).id])
    both = (account, name)
    conditions = tuple((each, "contact") for each in both)
    shows = tuple((world.user(each), "profile") for each in both)
    chat = Thing("chat", _direct(account, name), entry["chat"]["id"], account, conditions, shows)
    chat.only = frozenset(both)
    await world.people[name].call("chat.accept", **_at(world.add(chat)))
    await _say(world, account, chat, f"{chat.name}.says")


def _direct(account: str, name: str) -> str:
    return f"{account}.to.{name}"


def _at(chat: Thing) -> dict[str, Any]:
    return {"chat_id": chat.id}


async def _say(world: World, sender: str, chat: Thing, name: str) -> Thing:
    sent = await world.people[sender].call("chat.send", **_at(chat), text=world.token(name))
    hides = (sender, "act") if chat.kind == "group" else (sender, "contact")
    message = Thing("chat message", name, "", sender, (*chat.conditions, hides), ((world.user(sender), "profile"),))
    message.only, message.part_of, message.number = chat.only, chat, sent["seq"]
    return world.add(message)


def _groups(world: World) -> list[Thing]:
    return world.of_kind("group")


def _chats(world: World, viewer: str) -> list[Thing]:
    """All groups, the viewer's own direct chats, and some of others."""
    own = [chat for chat in world.of_kind("chat") if viewer in (chat.only or ())]
    others = [chat for chat in world.of_kind("chat") if chat.name.endswith((".mutual", ".was_blocked"))]
    return [*_groups(world), *own, *(chat for chat in others if chat not in own)]


def _said_in(world: World, chat: Thing) -> list[Thing]:
    return [message for message in world.of_kind("chat message") if message.part_of is chat]


# -------------------------------------------------------------------------------------------------- calls


def _about_chats(then: str | None = None, **more: Any) -> Cells:
    """Calls about a chat. then: the code with which they are refused in groups that the viewer sees."""

    def cells(world: World, viewer: str) -> list[Cell]:
        found = []
        for chat in _chats(world, viewer):
            arguments = {**_at(chat), **more}
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
            found.append(Cell(_at(chat), shows, also=also))
        else:
            found.append(Cell(_at(chat), refused="NOT_FOUND"))
    return found


def _lists(world: World, viewer: str) -> list[Cell]:
    chats = _groups(world) + world.of_kind("chat")
    shows = world.shown(viewer, chats)
    also = world.shown(viewer, world.of_kind("chat message"))
    hidden = [chat for chat in chats if viewer in (chat.only or ()) and chat not in shows]  # listed as left
    return [
        Cell({"limit": 100}, shows, also=also),
        Cell({"limit": 100, "since_version": "0"}, shows, also={*also, *hidden}),
    ]


def _histories(world: World, viewer: str) -> list[Cell]:
    return [
        Cell({**_at(chat), "limit": 100}, world.shown(viewer, _said_in(world, chat)))
        if world.sees(viewer, chat)
        else Cell(_at(chat), refused="NOT_FOUND")
        for chat in _chats(world, viewer)
    ]


def _members(world: World, viewer: str) -> list[Cell]:
    return [
        Cell({**_at(chat), "limit": 100}, world.shown(viewer, map(world.user, chat.only or ())))
        if world.sees(viewer, chat)
        else Cell(_at(chat), refused="NOT_FOUND")
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
            chat = world.things[world.token(_direct(account, viewer))]
            found.append(Cell(arguments, world.shown(viewer, [chat]), also=_said_in(world, chat)))
    return found


def _about_messages(then: str | None = None, **more: Any) -> Cells:
    """Calls about messages of groups. then: the code with which they are refused for others' messages that are seen."""

    def cells(world: World, viewer: str) -> list[Cell]:
        found = []
        for chat in _groups(world):
            for message in _said_in(world, chat):
                arguments = {**_at(chat), "seq": message.number, **more}
                if not world.sees(viewer, message):
                    found.append(Cell(arguments, refused="NOT_FOUND"))
                elif then is not None and viewer not in (message.owner, chat.owner):
                    found.append(Cell(arguments, refused=then))
        return found

    return cells


def _edits(world: World, viewer: str) -> list[Cell]:
    return [
        Cell({**_at(chat), "seq": message.number}, [message])
        if world.sees(viewer, message)
        else Cell({**_at(chat), "seq": message.number}, refused="NOT_FOUND")
        for chat in _groups(world)
        for message in _said_in(world, chat)
    ]


def _replies(world: World, viewer: str) -> list[Cell]:
    """Messages to chats that the viewer does not see, and replies to messages that are hidden from the viewer."""
    hidden = [
        Cell({**_at(chat), "text": "hello", "reply_to_seq": message.number}, refused="NOT_FOUND")
        for chat in _groups(world)
        for message in _said_in(world, chat)
        if not world.sees(viewer, message)
    ]
    return _about_chats(text="hello")(world, viewer) + hidden


# -------------------------------------------------------------------------------------------------- pushes


def _told_in(world: World, chat: Thing, actor: str, *things: Thing) -> Told:
    """An act in a chat reaches its members, also the actor's own devices, without those who hide the actor."""
    viewers = world.audience(*chat.conditions, (actor, "act")) & (chat.only or set())
    return told(viewers, chat, *things)


def _places(world: World, actor: str) -> list[Thing]:
    """The chats in which the actor may write."""
    return [chat for chat in (*_groups(world), *world.of_kind("chat")) if world.sees(actor, chat)]


async def _say_everywhere(world: World) -> list[tuple[Thing, Thing]]:
    return [
        (chat, await _say(world, account, chat, world.new_name(account, "says")))
        for account in ACCOUNTS
        for chat in _places(world, account)
    ]


async def _messages(world: World) -> list[Told]:
    sent = await _say_everywhere(world)
    return [_told_in(world, chat, message.owner, message, world.user(message.owner)) for chat, message in sent]


async def _edited(world: World) -> list[Told]:
    found = []
    for message in _own(world):
        text = f"{world.token(message.name)} again"
        await world.people[message.owner].call("chat.edit", **_at(message.part_of), seq=message.number, text=text)
        found.append(_told_in(world, message.part_of, message.owner, message, world.user(message.owner)))
    return found


def _own(world: World) -> list[Any]:
    """The messages of the accounts in chats that they still see."""
    return [
        message
        for message in world.of_kind("chat message", ACCOUNTS)
        if not message.is_deleted and world.sees(message.owner, message)
    ]


async def _deleted(world: World) -> list[Told]:
    sent = await _say_everywhere(world)
    await world.cluster.settle()
    for chat, message in sent:
        await world.people[message.owner].call("chat.delete", **_at(chat), seq=message.number, **{"for": "everyone"})
        message.is_deleted = True
    return [_told_in(world, chat, message.owner) for chat, message in sent]


async def _marked(world: World) -> list[Told]:
    """The accounts read what the host says."""
    club = world.place("group")
    await _say(world, HOST, club, world.new_name(HOST, "says"))
    for account in ACCOUNTS:
        await world.people[account].call("chat.mark", **_at(club), read_seq=1_000_000)
    return [_told_in(world, club, account, world.user(account)) for account in ACCOUNTS]


async def _reacted(world: World) -> list[Told]:
    club = world.place("group")
    message = await _say(world, HOST, club, world.new_name(HOST, "says"))
    for account in ACCOUNTS:
        await world.people[account].call("chat.react", **_at(club), seq=message.number, emoji="🔥")
    return [_told_in(world, club, account, world.user(account)) for account in ACCOUNTS]


async def _typing(world: World) -> list[Told]:
    found = []
    for account in ACCOUNTS:
        names = (f"{HOST}.club", f"{account}.club", *(_direct(account, name) for name in ("mutual", "mutes")))
        for chat in (world.things[world.token(name)] for name in names):
            await world.people[account].call("typing.start", **_at(chat))
            everybody = _told_in(world, chat, account, world.user(account))
            found.append(everybody._replace(viewers=everybody.viewers - {account}))
    return found


async def _stop_typing(world: World) -> None:
    chats = {account: [_at(chat) for chat in _places(world, account)] for account in ACCOUNTS}
    await world.everybody("typing.stop", chats)


async def _updated(world: World) -> list[Told]:
    """The title of each group."""
    found = []
    for club in _groups(world):
        title = f"{world.token(club.name)} {world.new_name('title')}"
        await world.people[club.owner].call("chat.update", **_at(club), title=title)
        found += [Told({viewer}, world.shown(viewer, [club])) for viewer in VIEWERS if world.sees(viewer, club)]
    return found


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
PUSHES = {
    "chat.deleted": PushRow(_deleted),
    "chat.edited": PushRow(_edited),
    "chat.marked": PushRow(_marked),
    "chat.message": PushRow(_messages),
    "chat.reacted": PushRow(_reacted),
    "chat.updated": PushRow(_updated),
    "typing.changed in chats": PushRow(_typing, restore=_stop_typing),
}
