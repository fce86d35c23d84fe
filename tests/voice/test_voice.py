"""Voice follows the room: decisions on the stage apply at once to users who are connected to LiveKit."""

import asyncio

import pytest

from stage.roster import Roster
from stage.voice_server import VoiceServer
from tests.contract.test_live_rooms import open_room
from tests.faults import Held, soon
from tests.patience import WAIT_S

pytestmark = pytest.mark.voice


async def put_on_stage(host, who, room_id: str) -> None:
    await who.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=who.id, role="speaker")


async def test_a_speaker_connects_with_a_token_and_is_heard(person, device):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    speaking, listening = await device(host, room_id), await device(mona, room_id)
    await speaking.speak()
    await listening.until(lambda: listening.hears(host.id))


async def test_a_listener_cannot_publish(cluster, person, device):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    listening, other = await device(mona, room_id), await device(host, room_id)
    assert not listening.may_speak
    in_vain = asyncio.create_task(listening.speak())
    log = cluster.data_dir / "livekit.log"
    async with asyncio.timeout(WAIT_S):
        while not any("no permission to publish" in line and mona.id in line for line in log.read_text().splitlines()):
            await asyncio.sleep(0.02)
    in_vain.cancel()
    assert not other.hears(mona.id)


@pytest.mark.parametrize("act", ["kick", "ban"])
async def test_a_removed_user_is_disconnected(person, device, act):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await put_on_stage(host, mona, room_id)
    speaking, other = await device(mona, room_id), await device(host, room_id)
    await speaking.speak()
    await other.until(lambda: other.hears(mona.id))
    await host.call(f"room.{act}", room_id=room_id, user_id=mona.id)
    await speaking.until(lambda: speaking.ended)
    assert speaking.ended == "PARTICIPANT_REMOVED"
    await other.until(lambda: not other.hears(mona.id))
    assert not other.ended


async def test_a_removed_user_is_disconnected_before_the_roster_knows(person, device, monkeypatch):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    listening = await device(mona, room_id)
    held = [
        Held(monkeypatch, Roster, "remove") for _ in range(2)
    ]  # made by the call, and by the reaction that repeats it
    kicking = asyncio.create_task(host.call("room.kick", room_id=room_id, user_id=mona.id))
    try:
        await listening.until(lambda: listening.ended)
    finally:
        for each in held:
            each.go.set()
        await kicking


async def test_a_user_who_rejoins_after_a_kick_stays_connected(cluster, person, device):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.kick", room_id=room_id, user_id=mona.id)
    await mona.expect("room.removed")
    await mona.call("room.join", room_id=room_id)
    back = await device(mona, room_id)
    await cluster.settle()
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await back.until(lambda: back.may_speak)
    assert not back.ended


@pytest.mark.parametrize(
    "act", [("room.mute", {"muted": True}), ("room.set_role", {"role": "listener"})], ids=["mute", "demotion"]
)
async def test_a_silenced_user_is_no_longer_heard(person, device, act):
    method, arguments = act
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await put_on_stage(host, mona, room_id)
    speaking, other = await device(mona, room_id), await device(host, room_id)
    await speaking.speak()
    await other.until(lambda: other.hears(mona.id))
    await host.call(method, room_id=room_id, user_id=mona.id, **arguments)
    await other.until(lambda: not other.hears(mona.id))
    await speaking.until(lambda: not speaking.may_speak)
    assert not speaking.ended


async def test_a_user_who_steps_down_is_no_longer_heard(person, device):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await put_on_stage(host, mona, room_id)
    speaking = await device(mona, room_id)
    await mona.call("room.set_role", room_id=room_id, user_id=mona.id, role="listener")
    await speaking.until(lambda: not speaking.may_speak)


@pytest.mark.parametrize("way", ["promotion", "unmuting", "host"])
async def test_a_user_who_gets_the_stage_speaks_with_their_old_token(person, device, way):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    mute = {"room_id": room_id, "user_id": mona.id}
    if way == "unmuting":
        await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
        await host.call("room.mute", muted=True, **mute)
    listening, other = await device(mona, room_id), await device(host, room_id)
    assert not listening.may_speak
    if way == "promotion":
        await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    elif way == "unmuting":
        await host.call("room.mute", muted=False, **mute)
    else:
        await host.call("room.transfer_host", room_id=room_id, user_id=mona.id)
    await listening.until(lambda: listening.may_speak)
    await listening.speak()
    await other.until(lambda: other.hears(mona.id))


async def test_a_room_that_ends_is_silent(cluster, person, device):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    devices = [await device(each, room_id) for each in (host, mona)]
    await host.call("room.close", room_id=room_id)
    for each in devices:
        await each.until(lambda each=each: each.ended)
        assert each.ended == "ROOM_DELETED"

    async def is_there() -> bool:
        return int(room_id) in await cluster.stores.voice_server.rooms()

    assert await soon(is_there, False) is False


async def test_a_late_or_repeated_event_changes_nothing(cluster, person, device):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await put_on_stage(host, mona, room_id)
    speaking = await device(mona, room_id)
    voice = cluster.workers.tools.voice
    for _ in range(2):
        await voice.settle(int(room_id), int(mona.id))
        await voice.end(int(room_id))
    await speaking.speak()
    assert not speaking.ended


async def test_without_livekit_only_voice_is_missing():
    nowhere = VoiceServer("ws://127.0.0.1:1", "key", "s" * 32)
    try:
        assert await nowhere.rooms() == []
        await nowhere.remove(7, "5")
        with pytest.raises(OSError):
            await nowhere.ping()
    finally:
        await nowhere.close()
