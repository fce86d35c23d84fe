"""Kinds of channels: what is decided by their records alone."""

import importlib
import pkgutil

import pytest

import domain
import presence
import stage
from channels.kinds import Kind, Kinds
from domain.post_channels import AUTHOR, POST
from gateway.channel_kinds import KINDS
from presence.presence_channel import PRESENCE
from protocol.errors import CallError
from protocol.posts import PostDeleted
from tests.cluster import Cluster


def test_a_channel_leads_to_its_kind_and_id():
    for kind in KINDS:
        channel = kind.channel(12)
        assert KINDS.of(channel) is kind
        assert kind.id_of(channel) == 12
        assert [each for each in KINDS if each.includes(channel)] == [kind]


def test_two_kinds_of_one_prefix_are_refused():
    with pytest.raises(ValueError):
        Kinds(Kind("post", on_change="leave"), POST)


def test_every_declared_kind_is_listed():
    declared = {
        value
        for package in (domain, presence, stage)
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
        for value in vars(importlib.import_module(found.name)).values()
        if isinstance(value, Kind)
    }
    assert declared == set(KINDS), "list each kind in gateway/channel_kinds.py"


def test_a_kind_that_is_not_listed_is_named():
    unlisted = Kind("unlisted", on_change="leave").channel(1)
    for use in (KINDS.of, lambda channel: KINDS.check_bounds([channel])):
        with pytest.raises(LookupError, match=r"the prefix 'unlisted': add it to gateway/channel_kinds\.py"):
            use(unlisted)


def test_channels_of_posts_alone_are_about_posts():
    assert [kind for kind in KINDS if KINDS.is_about_posts(kind.channel(1))] == [POST, AUTHOR]
    assert not KINDS.is_about_posts("")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.on_change != "keep"], ids=lambda kind: kind.prefix)
def test_a_socket_is_in_a_bounded_number_of_channels_of_a_kind(kind: Kind):
    most = kind.most_per_socket
    assert most, "set most_per_socket: clients may join as many as they like"
    others = [AUTHOR.channel(number) for number in range(300)]
    channels = [kind.channel(number) for number in range(most + 1)]
    KINDS.check_bounds(channels[:most] + others)
    with pytest.raises(CallError) as refused:
        KINDS.check_bounds(channels + others)
    assert refused.value.code == "FAILED_PRECONDITION"


def test_channels_at_sign_in_come_from_the_row():
    assert KINDS.at_sign_in({"large_authors": [7, 8]}) == {"author:7": 7, "author:8": 8}


async def test_a_recoverable_push_is_refused_where_nothing_would_replay_it(cluster: Cluster):
    push = PostDeleted(id="post.deleted:1", post_id="1")
    with pytest.raises(ValueError, match=r"PostDeleted\.flow is 'recover', but channels of 'presence' are not logged"):
        await cluster.stores.broadcaster.publish(PRESENCE.channel(1), push)
