"""Suspending one account and banning the other while some viewers are away, and letting both back in."""

from typing import NamedTuple

from tests.contract.privacy import comments, live_rooms, posts, users
from tests.contract.privacy.chats import at, say
from tests.contract.privacy.world import ACCOUNTS, HOST, SHARER, VIEWERS, Actor, World
from tests.contract.test_coming_back import Reader, arrive, leave
from tests.moderating import moderating

# Viewers with every kind of rights to the accounts.
LOOKING = ("stranger", "follower", "mutual", "requester", "inner", "mutes", "blocked")
_ACTIONS = {"open": "suspend", "private": "ban"}


class Suspension(NamedTuple):
    """away: second sockets of viewers, whose network was gone while the accounts acted and were suspended."""

    decisions: list[int]
    away: dict[str, Reader]


async def suspend(world: World) -> Suspension:
    """The live rooms of the accounts end."""
    away = {viewer: await arrive(world.cluster, like=world.people[viewer]) for viewer in LOOKING}
    for viewer, reader in away.items():
        await reader.call("post.watch", post_id=world.place("post").id)
        await reader.call("room.join", room_id=world.place("room").id)
        await reader.call("presence.watch", user_ids=[world.user(account).id for account in ACCOUNTS])
        await world.cluster.settle(world.people[viewer])
    for reader in away.values():
        await leave(world.cluster, reader)
    for name in (*ACCOUNTS, HOST):
        await _act(world, name)
    await world.cluster.settle()
    async with moderating(world.cluster) as moderator:
        decisions = [await moderator.decide("user", world.user(name).id, _ACTIONS[name]) for name in ACCOUNTS]
    for account in ACCOUNTS:
        await world.people[account].expect("session.revoked")
        del world.people[account]
    world.suspended = {*ACCOUNTS}
    for room in world.of_kind("room", ACCOUNTS):
        room.kind = "ended room"
    await world.quiet()
    return Suspension(decisions, away)


async def _act(world: World, name: str) -> None:
    """Whatever users see of each other where all meet, and in their own feed and notifications."""
    person, hall = world.people[name], world.place("room")
    if name in ACCOUNTS:
        await world.publish(name, "public", world.new_name(name, "late"))
    comment = await comments.write(world, name, world.place("post"), world.new_name(name, "comment"))
    text = f"{world.token(comment.name)} again"
    await person.call("comment.edit", comment_id=comment.id, text=text)
    await live_rooms.say(world, name, world.new_name(name, "late", "says"))
    await say(world, name, world.place("group"), world.new_name(name, "late", "writes"))
    await person.call("room.leave", room_id=hall.id)
    await person.call("room.join", room_id=hall.id)
    await person.call("presence.set", status="busy")
    for own in world.of_kind("post", LOOKING):
        if world.sees(name, own):
            await person.call("reaction.set", target_type="post", target_id=own.id, kind="laugh")


async def act_around(world: World) -> None:
    """Let users who are not suspended act wherever the accounts have been."""
    host, share = world.people[HOST], world.things[world.token("comment_on_share")]
    await _act(world, HOST)
    await host.call("chat.react", **at(world.place("group")), seq=1, emoji="🔥")
    await host.call("chat.update", **at(world.place("group")), title=world.token(f"{HOST}.club"))
    version = (await world.people[SHARER].call("post.get", post_id=share.id))["version"]
    text = f"{world.token(share.name)} again"
    await world.people[SHARER].call("post.edit", post_id=share.id, version=version, text=text)


async def lift(world: World, decisions: list[int]) -> None:
    """The accounts sign in again and enter the room where all are; all watch what they may see again."""
    async with moderating(world.cluster) as moderator:
        for decision in decisions:
            await moderator.undo(decision)
    world.suspended = set()
    tokens = await world.cluster.tokens([world.token(account) for account in ACCOUNTS])
    hall = world.place("room")
    for account, token in zip(ACCOUNTS, tokens, strict=True):
        world.people[account] = person = Actor(world, account)
        await world.cluster.connect(person, node="a", codec="json", token=token)
        await person.call("room.join", room_id=hall.id)
    await live_rooms.raise_hands(world)
    await world.everybody("feed.reset", {viewer: [{}] for viewer in VIEWERS})
    await posts.watch(world)
    await users.watch(world)
    await world.quiet()
