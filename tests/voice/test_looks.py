"""The keeper's checks find users at LiveKit whom no event names: who left, lost access, or used an old token."""

import asyncio
import os
import signal

import pytest
from livekit.api import AccessToken, VideoGrants
from livekit.protocol.room import ListParticipantsRequest

from stage import livekit_requests, metrics, voice
from tests.contract.test_live_rooms import open_room
from tests.patience import WAIT_S

pytestmark = pytest.mark.voice


def requests(request: str, outcome: str) -> float:
    return metrics.VOICE_REQUESTS.labels(request, outcome)._value.get()


def foreign_token(cluster, name: str, room: str, **grants) -> dict[str, str]:
    """Return the answer of room.media_token as another application with the same key would make it."""
    url, key, secret = cluster.settings().livekit
    token = AccessToken(key, secret).with_identity(name).with_grants(VideoGrants(room_join=True, room=room, **grants))
    return {"url": url, "token": token.to_jwt()}


async def test_a_user_whom_the_host_blocks_is_disconnected(person, device, look_around):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    listening, other = await device(mona, room_id), await device(host, room_id)
    await host.call("graph.block", user_id=mona.id)
    look_around()
    await listening.until(lambda: listening.ended)
    assert listening.ended == "PARTICIPANT_REMOVED"
    assert not other.ended


async def test_a_user_who_leaves_the_room_is_disconnected(person, device, look_around):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    listening = await device(mona, room_id)
    await mona.call("room.leave", room_id=room_id)
    look_around()
    await listening.until(lambda: listening.ended)


async def test_users_of_a_dead_node_are_disconnected(cluster, person, device, look_around):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    listening = await device(mona, room_id)
    await cluster.node("a").parts.nodes._on_dead(cluster.node("b").name)
    look_around()
    await listening.until(lambda: listening.ended)
    cluster.node("b").parts.catching_up.begin()


async def test_a_kicked_user_with_an_old_token_is_disconnected_again(cluster, person, enter, look_around):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    kept = await mona.call("room.media_token", room_id=room_id)
    await host.call("room.kick", room_id=room_id, user_id=mona.id)
    await cluster.settle()
    again = await enter(kept)
    look_around()
    await again.until(lambda: again.ended)
    assert again.ended == "PARTICIPANT_REMOVED"


async def test_a_user_with_an_old_token_of_a_speaker_is_silenced(cluster, person, enter, look_around):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    kept = await mona.call("room.media_token", room_id=room_id)
    await host.call("room.mute", room_id=room_id, user_id=mona.id, muted=True)
    await cluster.settle()
    again = await enter(kept)
    assert again.may_speak
    look_around()
    await again.until(lambda: not again.may_speak)
    assert not again.ended


async def test_a_user_with_a_token_of_an_ended_room_is_disconnected(cluster, person, enter, look_around):
    host = await person("host")
    room_id = await open_room(host)
    kept = await host.call("room.media_token", room_id=room_id)
    await host.call("room.close", room_id=room_id)
    await cluster.settle()
    again = await enter(kept)
    look_around()
    await again.until(lambda: again.ended)
    assert again.ended == "ROOM_DELETED"


async def test_a_user_missing_for_a_moment_is_not_disconnected(cluster, person, device, monkeypatch):
    """So it is when Redis returns without its data, until the nodes have reported their users again."""
    monkeypatch.setattr(voice, "DOUBT_S", 0.1)
    host = await person("host")
    room_id = await open_room(host)
    listening = await device(host, room_id)
    roster, asked = cluster.workers.tools.roster, []
    joined = roster.joined

    async def empty_at_first(room: int, user_ids):
        asked.append(user_ids)
        return await joined(room, user_ids) if asked.count(user_ids) > 1 else {}

    monkeypatch.setattr(roster, "joined", empty_at_first)
    removed = requests("remove", "ok")
    await cluster.workers.tools.voice.look_around()
    assert asked.count([int(host.id)]) == 2
    assert requests("remove", "ok") == removed
    await listening.speak()


async def test_foreign_participants_are_removed_and_foreign_rooms_ignored(cluster, person, enter, device, look_around):
    host = await person("host")
    room_id = await open_room(host)
    known = await device(host, room_id)
    elsewhere = [await enter(foreign_token(cluster, "bot", room)) for room in ("lobby", "7", "9" * 30)]
    stranger = await enter(foreign_token(cluster, "bot", room_id))
    look_around()
    await stranger.until(lambda: stranger.ended)
    assert not any(each.ended for each in (known, *elsewhere))


async def test_the_recorder_stays_in_the_room(cluster, person, enter, monkeypatch):
    """Its token is as LiveKit's egress makes it."""
    monkeypatch.setattr(voice, "DOUBT_S", 0.1)
    host = await person("host")
    room_id = await open_room(host)
    url, key, secret = cluster.settings().livekit
    grants = VideoGrants(room_join=True, room=room_id, can_publish=False, hidden=True, recorder=True)
    token = AccessToken(key, secret).with_identity("EG_recorder").with_kind("egress").with_grants(grants)
    await enter({"url": url, "token": token.to_jwt()})
    await enter(foreign_token(cluster, "bot", room_id))
    await cluster.workers.tools.voice.look_around()
    found = await cluster.stores.voice_server._rooms.list_participants(ListParticipantsRequest(room=room_id))
    assert [each.identity for each in found.participants] == ["EG_recorder"]


async def test_a_hanging_livekit_does_not_delay_calls(cluster, person, device, monkeypatch, look_around):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    listening = await device(mona, room_id)
    look_around()
    monkeypatch.setattr(livekit_requests, "TIMEOUT_S", 4.0)
    process_id, before = cluster.embedded.process_id("livekit"), requests("remove", "failed")
    os.kill(process_id, signal.SIGSTOP)
    try:
        await host.call("room.kick", room_id=room_id, user_id=mona.id)
        await mona.expect("room.removed", room_id=room_id)
        await host.expect("room.left", user_id=mona.id)
        assert requests("remove", "failed") == before  # the reaction still waits for LiveKit
        async with asyncio.timeout(WAIT_S):
            while requests("remove", "failed") == before:
                await asyncio.sleep(0.05)
    finally:
        os.kill(process_id, signal.SIGCONT)
    await listening.until(lambda: listening.ended)
    assert listening.ended == "PARTICIPANT_REMOVED"


async def test_a_request_that_livekit_missed_is_repeated_by_a_check(cluster, person, device, monkeypatch, look_around):
    """The event has been handled, so only a check can repeat the request."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    listening = await device(mona, room_id)

    async def lost(*arguments, **options) -> None:
        return

    monkeypatch.setattr(cluster.workers.tools.voice, "settle", lost)
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await cluster.settle()
    assert not listening.may_speak
    look_around()
    await listening.until(lambda: listening.may_speak)
