"""Pushes of chats: to members, without those who hide the member who acts."""

from typing import Any

from tests.contract.privacy.chats import at, direct_name, groups, say
from tests.contract.privacy.rows import PushRow, Told, told
from tests.contract.privacy.world import ACCOUNTS, HOST, VIEWERS, Thing, World


def _told_in(world: World, chat: Thing, actor: str, *things: Thing) -> Told:
    """An act in a chat reaches its members, also the actor's own devices, without those who hide the actor."""
    viewers = world.audience(*chat.conditions, (actor, "act")) & (chat.only or set())
    return told(viewers, chat, *things)


def _places(world: World, actor: str) -> list[Thing]:
    """The chats in which the actor may write."""
    return [chat for chat in (*groups(world), *world.of_kind("chat")) if world.sees(actor, chat)]


async def _say_everywhere(world: World) -> list[tuple[Thing, Thing]]:
    return [
        (chat, await say(world, account, chat, world.new_name(account, "says")))
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
        await world.people[message.owner].call("chat.edit", **at(message.part_of), seq=message.number, text=text)
        shown = (message, world.user(message.owner), *world.files_in(message))
        everybody = _told_in(world, message.part_of, message.owner, *shown)
        seeing = {viewer for viewer in everybody.viewers if world.sees(viewer, message)}
        found.append(everybody._replace(viewers=seeing))
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
        await world.people[message.owner].call("chat.delete", **at(chat), seq=message.number, **{"for": "everyone"})
        message.is_deleted = True
    return [_told_in(world, chat, message.owner) for chat, message in sent]


async def _marked(world: World) -> list[Told]:
    """The accounts read what the host says."""
    club = world.place("group")
    await say(world, HOST, club, world.new_name(HOST, "says"))
    for account in ACCOUNTS:
        await world.people[account].call("chat.mark", **at(club), read_seq=1_000_000)
    return [_told_in(world, club, account, world.user(account)) for account in ACCOUNTS]


async def _reacted(world: World) -> list[Told]:
    club = world.place("group")
    message = await say(world, HOST, club, world.new_name(HOST, "says"))
    for account in ACCOUNTS:
        await world.people[account].call("chat.react", **at(club), seq=message.number, emoji="🔥")
    return [_told_in(world, club, account, world.user(account)) for account in ACCOUNTS]


async def _typing(world: World) -> list[Told]:
    found = []
    for account in ACCOUNTS:
        names = (f"{HOST}.club", f"{account}.club", *(direct_name(account, name) for name in ("mutual", "mutes")))
        for chat in (world.things[world.token(name)] for name in names):
            await world.people[account].call("typing.start", **at(chat))
            everybody = _told_in(world, chat, account, world.user(account))
            found.append(everybody._replace(viewers=everybody.viewers - {account}))
    return found


async def _stop_typing(world: World) -> None:
    chats = {account: [at(chat) for chat in _places(world, account)] for account in ACCOUNTS}
    await world.everybody("typing.stop", chats)


async def _updated(world: World) -> list[Told]:
    """The title of each group."""
    found = []
    for club in groups(world):
        title = f"{world.token(club.name)} {world.new_name('title')}"
        await world.people[club.owner].call("chat.update", **at(club), title=title)
        found += [Told({viewer}, world.shown(viewer, [club])) for viewer in VIEWERS if world.sees(viewer, club)]
    return found


PUSHES = {
    "chat.deleted": PushRow(_deleted),
    "chat.edited": PushRow(_edited),
    "chat.marked": PushRow(_marked),
    "chat.message": PushRow(_messages),
    "chat.reacted": PushRow(_reacted),
    "chat.updated": PushRow(_updated),
    "typing.changed in chats": PushRow(_typing, restore=_stop_typing),
}
