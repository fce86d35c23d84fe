"""Notifications: what the accounts do is told to users who may hear of it, and is hidden when they no longer may."""

import asyncio

from tests.contract.privacy.relations import RELATIONS
from tests.contract.privacy.rows import CallRow, Cell, PushRow, Told, told
from tests.contract.privacy.world import ACCOUNTS, HOST, SHARER, VIEWERS, Thing, World


async def make(world: World) -> None:
    """A post of each user, to which the accounts react if they may."""
    await asyncio.gather(*(world.publish(name, "public", f"{name}.own") for name in RELATIONS))
    await asyncio.gather(*(_take_part(world, account, post) for account, post in _reachable(world)))


async def _take_part(world: World, account: str, post: Thing) -> None:
    await _comment(world, account, post, f"{account}.comments.{post.owner}")
    await _react(world, account, post)


def _reachable(world: World) -> list[tuple[str, Thing]]:
    """The accounts, each with the posts of users on which it may comment."""
    posts = world.of_kind("post", RELATIONS)
    return [(account, post) for account in ACCOUNTS for post in posts if world.sees(account, post)]


async def _comment(world: World, account: str, post: Thing, name: str) -> Thing:
    comment = await world.people[account].call("comment.create", post_id=post.id, text=world.token(name))
    return world.add(Thing("note", name, comment["id"], account, (*post.conditions, (account, "contact"))))


async def load(world: World) -> None:
    """Learn the ids of some notifications."""
    for name in ("mutual", "was_blocked", "has_muted", *ACCOUNTS):
        page = await world.people[name].call("notification.list")
        for item in page["items"][:3]:
            thing = Thing("notification", f"{name}.notified{item['id']}", item["id"], name, ())
            world.add(thing).only = frozenset({name})


def _lists(world: World, viewer: str) -> list[Cell]:
    """Users who could see what an account did then and can now are told of it. Whatever else is told must be seen."""
    users = [name for name in (*VIEWERS, HOST, SHARER) if name != viewer and world.may(viewer, name, "act")]
    also = {thing for thing in world.things.values() if thing.kind != "user" and world.sees(viewer, thing)}
    also |= {world.user(name) for name in (*users, viewer)}
    shows = [world.user(account) for account in ACCOUNTS if viewer in RELATIONS and _was_told(world, viewer, account)]
    return [Cell({"limit": 100}, shows, also=also)]


def _was_told(world: World, viewer: str, account: str) -> bool:
    return world.may(viewer, account, "act") and world.in_past(world.may, viewer, account, "act")


def _filtered(world: World, viewer: str) -> list[Cell]:
    """Nobody here has a policy that keeps anything back."""
    return [Cell({"limit": 100})]


def _foreign(world: World, viewer: str) -> list[Cell]:
    notifications = world.of_kind("notification", VIEWERS)
    return [Cell({"id": each.id}, refused="NOT_FOUND") for each in notifications if each.owner != viewer]


async def _created(world: World) -> list[Told]:
    found = []
    for account, post in _reachable(world):
        comment = await _comment(world, account, post, world.new_name(account, "comments"))
        viewers = {post.owner} & world.audience((account, "act"))
        found.append(told(viewers, comment, world.user(account)))
    return found


async def _changed(world: World) -> list[Told]:
    """An account withdraws a reaction; that of the host stays in the group. Whoever was told of both is pushed this."""
    owners = [(account, name) for account in ACCOUNTS for name in RELATIONS]
    names = [world.new_name(name, account) for account, name in owners]
    posts = await asyncio.gather(
        *(world.publish(owner, "public", name) for (_, owner), name in zip(owners, names, strict=True))
    )
    reached = [(account, post) for (account, _), post in zip(owners, posts, strict=True) if world.sees(account, post)]
    for actors in ([HOST] * len(reached), [account for account, _ in reached]):
        acts = [(actor, post) for actor, (_, post) in zip(actors, reached, strict=True)]
        await asyncio.gather(*(_react(world, actor, post) for actor, post in acts))
        await world.cluster.settle()
    await asyncio.gather(
        *(
            world.people[account].call("reaction.unset", target_type="post", target_id=post.id)
            for account, post in reached
        )
    )
    return [told({post.owner} & world.audience((account, "act")), post, world.user(HOST)) for account, post in reached]


async def _react(world: World, actor: str, post: Thing) -> None:
    await world.people[actor].call("reaction.set", target_type="post", target_id=post.id, kind="love")


CALLS = {
    "notification.filtered": CallRow(_filtered),
    "notification.list": CallRow(_lists),
    "notification.why": CallRow(_foreign),
}
PUSHES = {
    "notification.changed": PushRow(_changed),
    "notification.created": PushRow(_created),
}
