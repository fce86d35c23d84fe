"""Channels of large authors: a follower's sockets are in them as long as the user follows."""

import asyncio

from channels.messages import Joined, Left
from domain.post_channels import AUTHOR

AUTHOR_ID = 777
ROOM = AUTHOR.channel(AUTHOR_ID)


async def is_in(node, who) -> bool:
    for _ in range(3):  # let background tasks run
        await asyncio.sleep(0)
    return any(ROOM in member.channels for member in node.parts.members.of_user(int(who.id)))


async def test_a_user_who_follows_and_unfollows_at_once_is_not_in_the_authors_channel(cluster, person):
    """Both notices arrive in one read of the link."""
    mona = await person("mona", node="b")
    cluster.node_b.parts.bus._obey(Joined([int(mona.id)], ROOM, AUTHOR_ID))
    cluster.node_b.parts.bus._obey(Left([int(mona.id)], ROOM))
    assert not await is_in(cluster.node_b, mona)


async def test_a_user_who_unfollows_during_sign_in_gets_no_pushes_of_the_author(cluster, person, monkeypatch):
    """The unfollow comes after the database has answered, and before the node has applied the answer."""
    sign_ins, bus = cluster.node_b.parts.sign_ins, cluster.node_b.parts.bus
    load = sign_ins.load

    async def load_and_leave(session_id: int, user_id: int):
        row = await load(session_id, user_id)
        bus._obey(Left([user_id], ROOM))
        return {**row, "large_authors": [AUTHOR_ID]}

    monkeypatch.setattr(sign_ins, "load", load_and_leave)
    mona = await person("mona", node="b")
    assert not await is_in(cluster.node_b, mona)


async def test_after_a_gap_a_socket_is_in_the_channels_of_the_authors_it_follows(cluster, person, monkeypatch):
    """The node may have missed that its user followed or unfollowed the author."""
    mona = await person("mona", node="b")
    parts = cluster.node_b.parts
    load_many = parts.sign_ins.load_many
    followed = [AUTHOR_ID]

    async def load_followed(pairs):
        return {session: {**row, "large_authors": followed} for session, row in (await load_many(pairs)).items()}

    monkeypatch.setattr(parts.sign_ins, "load_many", load_followed)
    await parts.catching_up.until_done()
    assert await is_in(cluster.node_b, mona)
    followed.clear()
    await parts.catching_up.until_done()
    assert not await is_in(cluster.node_b, mona)
