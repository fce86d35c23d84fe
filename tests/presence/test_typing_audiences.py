"""The cache of users who see typing in a chat keeps an answer for a few seconds, then asks again."""

import pytest

from presence import typing_audiences
from presence.typing_audiences import TypingAudiences
from tests.cluster import Cluster
from tests.contract.test_chats import create_group


@pytest.fixture
async def chat(cluster: Cluster, person):
    """Alice, Bob, a chat of the two, and audiences that no node uses."""
    alice, bob = await person("alice"), await person("bob")
    chat_id = await create_group(alice, bob)
    return alice, bob, int(chat_id), TypingAudiences(cluster.node_a.parts.services.database)


async def test_an_audience_is_kept_for_a_while(chat):
    alice, bob, chat_id, audiences = chat
    assert await audiences.of(int(alice.id), chat_id) == [int(bob.id)]
    await bob.call("chat.leave", chat_id=str(chat_id))
    assert await audiences.of(int(alice.id), chat_id) == [int(bob.id)]
    assert await audiences.of(int(bob.id), chat_id) is None


async def test_an_old_audience_is_asked_for_again(chat, monkeypatch):
    alice, bob, chat_id, audiences = chat
    monkeypatch.setattr(typing_audiences, "KEEP_S", -1.0)
    assert await audiences.of(int(bob.id), chat_id) == [int(alice.id)]
    await bob.call("chat.leave", chat_id=str(chat_id))
    assert await audiences.of(int(bob.id), chat_id) is None


async def test_the_oldest_audience_is_forgotten(chat, monkeypatch):
    alice, bob, chat_id, audiences = chat
    monkeypatch.setattr(typing_audiences, "MOST_KEPT", 1)
    await audiences.of(int(alice.id), chat_id)
    await audiences.of(int(bob.id), chat_id)
    await bob.call("chat.leave", chat_id=str(chat_id))
    assert await audiences.of(int(alice.id), chat_id) == []
