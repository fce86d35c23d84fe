"""Builds a world: its users with their relations, what was done before these changed, and what is done since."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from tests.cluster import Cluster
from tests.contract.privacy.relations import RELATIONS
from tests.contract.privacy.world import ACCOUNTS, HOST, SHARER, VIEWERS, Actor, Thing, World

Act = Callable[[World], Awaitable[None]]


async def build(cluster: Cluster, before: Iterable[Act], since: Iterable[Act]) -> World:
    """A world in which these acts were done before relations changed to what they are now, and since."""
    world = World(cluster)
    names = [*VIEWERS, HOST, SHARER]
    tokens = await cluster.tokens([world.token(name) for name in names])
    await _insert_relations(world, names)
    for name in names:
        world.people[name] = Actor(world, name)
    connections = (
        cluster.connect(person, node="ab"[number % 2], codec=("msgpack", "json")[number // 2 % 2], token=token)
        for number, (person, token) in enumerate(zip(world.people.values(), tokens, strict=True))
    )
    await asyncio.gather(*connections)
    for act in before:
        await act(world)
    await _change_relations(world)
    world.is_past = False
    for act in since:
        await act(world)
    await world.quiet()
    return world


async def _insert_relations(world: World, names: list[str]) -> None:
    """Insert the ties of the past, before anyone connects."""
    connection = await world.cluster.owner()
    try:
        for name in names:
            user_id = await connection.fetchval("SELECT id FROM users WHERE username = $1", world.token(name))
            world.add(Thing("user", name, str(user_id), name, ((name, "profile"),)))
            # New accounts are held back in explore.
            await connection.execute("UPDATE users SET created_at = now() - interval '4 days' WHERE id = $1", user_id)
        for name in RELATIONS:
            ids = {"viewer": world.user(name).id, "owner": world.user(SHARER).id}
            await connection.execute(_INSERTS["follows"].format(id=world.cluster.stores.ids.mint(), **ids))
        await connection.execute("UPDATE users SET is_private = true WHERE id = $1", int(world.user("private").id))
        for account in ACCOUNTS:
            owner = int(world.user(account).id)
            circle = world.cluster.stores.ids.mint()
            world.circles[account] = str(circle)
            await connection.execute("INSERT INTO circles (id, owner_id, name) VALUES ($1, $2, 'c')", circle, owner)
            for name in RELATIONS:
                viewer, words = int(world.user(name).id), world.tie(name, account)
                ids = {"viewer": viewer, "owner": owner, "circle": circle}
                for word in sorted(words):
                    statement = _INSERTS[word].format(id=world.cluster.stores.ids.mint(), **ids)
                    await connection.execute(statement)
    finally:
        await connection.close()


_FOLLOW = "INSERT INTO follows (id, follower_id, followee_id, status) VALUES "
_ACTIVE = "; UPDATE follows SET status = 'active' WHERE id = {id}"
_BLOCK = "INSERT INTO blocks (blocker_id, blocked_id) VALUES "
_MUTE = "INSERT INTO mutes (user_id, muted_id, kind) VALUES "
_INSERTS = {
    "follows": _FOLLOW + "({id}, {viewer}, {owner}, 'pending')" + _ACTIVE,
    "followed": _FOLLOW + "({id}, {owner}, {viewer}, 'pending')" + _ACTIVE,
    "requested": _FOLLOW + "({id}, {viewer}, {owner}, 'pending')",
    "circle": "INSERT INTO circle_members (circle_id, owner_id, user_id) VALUES ({circle}, {owner}, {viewer})",
    "blocks": _BLOCK + "({viewer}, {owner})",
    "blocked": _BLOCK + "({owner}, {viewer})",
    "mutes": _MUTE + "({viewer}, {owner}, 'all')",
    "mutes_posts": _MUTE + "({viewer}, {owner}, 'posts')",
    "mutes_stories": _MUTE + "({viewer}, {owner}, 'stories')",
    "muted": _MUTE + "({owner}, {viewer}, 'all')",
}


# A word that a tie gains (+) or loses (-): which user calls which method. A block also ends follows and circles.
_CHANGES = {
    "+blocks": ("viewer", "graph.block"),
    "-blocks": ("viewer", "graph.unblock"),
    "+blocked": ("owner", "graph.block"),
    "+mutes": ("viewer", "graph.mute"),
    "-mutes": ("viewer", "graph.unmute"),
    "-follows": ("viewer", "graph.unfollow"),
    "-requested": ("owner", "graph.reject"),
    "-circle": ("owner", "circle.remove"),
}


async def _change_relations(world: World) -> None:
    await world.cluster.settle()
    await asyncio.gather(*(_change(world, name, account) for name in RELATIONS for account in ACCOUNTS))
    await world.cluster.settle(*world.people.values())


async def _change(world: World, name: str, account: str) -> None:
    relation, viewer, owner = RELATIONS[name], world.people[name], world.people[account]
    gained = [f"+{word}" for word in relation.now - relation.before]
    lost = [f"-{word}" for word in relation.before - relation.now]
    for change in [each for each in gained if "block" in each] or gained + lost:
        by_viewer, method = _CHANGES[change][0] == "viewer", _CHANGES[change][1]
        caller, other = (viewer, owner) if by_viewer else (owner, viewer)
        if method == "circle.remove":
            await caller.call(method, circle_id=world.circles[account], user_ids=[other.id])
        else:
            await caller.call(method, user_id=other.id)
