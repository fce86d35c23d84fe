"""Recordings of live rooms: from the call to a file that those who see the room can open, or to a reason."""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from google.protobuf.json_format import MessageToJson
from livekit.api import LiveKitAPI
from livekit.protocol.egress import EgressStatus, EncodedFileOutput, RoomCompositeEgressRequest
from livekit.protocol.room import ListRoomsRequest
from livekit.protocol.webhook import WebhookEvent
from yarl import URL

from gateway import livekit_webhook
from gateway.app import sidecar
from stage import recorder
from stage.livekit_requests import LiveKitRequests
from tests.contract.test_live_rooms import open_room
from tests.media_files import ask
from tests.patience import WAIT_S
from tests.voice.egress_server import EgressServer, twirp_error
from workers import recordings as worker
from workers.media_lanes import LANES, run_lane
from workers.recordings import keep_recordings, settle_room, stop_orphans

pytestmark = pytest.mark.voice


@pytest_asyncio.fixture(loop_scope="session")
async def egress(cluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[EgressServer]:
    """Egress, with a webhook to a sidecar of workers. Rooms are those of the real LiveKit."""
    url, key, secret = cluster.settings().livekit
    async with ClientSession() as session:
        livekit = LiveKitAPI(url, key, secret, session=session)

        async def rooms() -> list[str]:
            return [room.name for room in (await livekit.room.list_rooms(ListRoomsRequest())).rooms]

        server = EgressServer(key, secret, rooms)
        await server.start()
        beside = sidecar(cluster.settings(), 0, cluster.stores, cluster.worker_database, None, cluster.workers)
        server.webhook_url = f"http://127.0.0.1:{await beside.start()}{livekit_webhook.PATH}"
        at_server = LiveKitAPI(server.url, key, secret, session=session).egress
        for stores in (cluster.stores, *(node._stores for node in cluster.nodes.values())):
            monkeypatch.setattr(stores.recorder, "_egress", at_server)
            # Without what earlier tests have shown of egress.
            monkeypatch.setattr(stores.recorder, "_requests", LiveKitRequests("egress"))
        yield server
        await cluster.settle()
        await beside.stop()
        await server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def keep(cluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], None]]:
    """Return a function that starts the keeper of recordings, with short intervals."""
    for name, value in (("LOOK_EVERY_S", 0.05), ("CHECK_EVERY_S", 0.0), ("FIND_ORPHANS_EVERY_S", 0.05)):
        monkeypatch.setattr(worker, name, value)
    stop = asyncio.Event()
    keeping: list[asyncio.Task[None]] = []
    yield lambda: keeping.append(asyncio.create_task(keep_recordings(cluster.workers.tools, stop)))
    stop.set()
    await asyncio.gather(*keeping)


@pytest.fixture
def voiced(person, device) -> Callable[[], Awaitable[tuple[Any, str]]]:
    """`await voiced()` returns a host and a live room with a user connected to its voice."""

    async def open_voiced() -> tuple[Any, str]:
        host = await person("host")
        room_id = await open_room(host)
        await device(host, room_id)
        return host, room_id

    return open_voiced


async def until(who: Any, room_id: str, state: str) -> dict[str, Any]:
    """Wait until the newest recording of the room is in that state, and return it."""
    async with asyncio.timeout(WAIT_S):
        while True:
            items = (await who.call("room.recordings", room_id=room_id))["items"]
            if items and items[0]["state"] == state:
                return items[0]
            await asyncio.sleep(0.02)


async def shown(who: Any, *, is_recorded: bool) -> None:
    """Wait until a push shows whether the room is recorded."""
    while (await who.expect("room.updated"))["room"]["is_recorded"] != is_recorded:
        continue


async def make_older(cluster: Any, room_id: str, age: str) -> None:
    owner = await cluster.owner()
    statement = "UPDATE room_recordings SET created_at = now() - $2::text::interval WHERE room_id = $1"
    await owner.execute(statement, int(room_id), age)
    await owner.close()


async def test_a_recording_becomes_a_media_of_the_room(cluster, person, voiced, egress):
    host, room_id = await voiced()
    mona = await person("mona", node="b")
    await mona.call("room.join", room_id=room_id)
    answer = await host.call("room.record", room_id=room_id, on=True)
    assert answer["is_recorded"]
    await shown(mona, is_recorded=True)
    assert (await mona.call("room.get", room_id=room_id))["is_recorded"]
    await host.call("room.record", room_id=room_id, on=False)
    await shown(mona, is_recorded=False)
    saved = await until(mona, room_id, "saved")
    file = saved["media"]
    assert (file["id"], file["kind"], file["status"]) == (saved["id"], "audio", "processing")
    assert (await mona.call("media.get", media_id=file["id"]))["id"] == file["id"]
    [(key, owner, lane)] = await ask(
        cluster, "SELECT object_key, owner_id, lane FROM media WHERE id = $1", int(file["id"])
    )
    assert (owner, lane) == (int(host.id), "quick")
    head = await cluster.stores.objects.head(key + "original", 10**6)
    assert head.content == egress.audio
    await cluster.settle()
    assert [each.key for each in await cluster.stores.objects.page(key)] == [key + "original"]
    assert set(egress.webhook_answers) == {200}


async def test_a_user_who_may_not_see_the_room_sees_no_recording(cluster, person, voiced, egress):
    host, room_id = await voiced()
    blocked, banned = await person("blocked"), await person("banned")
    await host.call("graph.block", user_id=blocked.id)
    await banned.call("room.join", room_id=room_id)
    await host.call("room.ban", room_id=room_id, user_id=banned.id)
    await host.call("room.record", room_id=room_id, on=True)
    await host.call("room.record", room_id=room_id, on=False)
    saved = await until(host, room_id, "saved")
    assert (await blocked.refused("room.recordings", room_id=room_id)).code == "NOT_FOUND"
    assert (await banned.refused("room.recordings", room_id=room_id)).code == "PERMISSION_DENIED"
    for each in (blocked, banned):
        assert (await each.refused("media.get", media_id=saved["id"])).code == "NOT_FOUND"


@pytest.mark.parametrize("role", ["cohost", "speaker", "listener"])
async def test_only_host_and_cohosts_record(person, voiced, egress, role):
    host, room_id = await voiced()
    mona = await person("mona", node="b")
    await mona.call("room.join", room_id=room_id)
    if role != "listener":
        await host.call("room.set_role", room_id=room_id, user_id=mona.id, role=role)
    if role == "cohost":
        assert (await mona.call("room.record", room_id=room_id, on=True))["is_recorded"]
    else:
        for on in (True, False):
            assert (await mona.refused("room.record", room_id=room_id, on=on)).code == "PERMISSION_DENIED"
        assert not egress.of_room(room_id)


async def test_a_recording_ends_with_its_room(voiced, egress):
    host, room_id = await voiced()
    await host.call("room.record", room_id=room_id, on=True)
    closed = await host.call("room.close", room_id=room_id)
    assert not closed["is_recorded"]
    await until(host, room_id, "saved")


async def test_repeated_calls_start_and_stop_one_recording(voiced, egress):
    host, room_id = await voiced()
    first, second = await asyncio.gather(*(host.call("room.record", room_id=room_id, on=True) for _ in range(2)))
    assert first["is_recorded"]
    assert second["is_recorded"]
    assert len(egress.of_room(room_id)) == 1
    for _ in range(2):
        await host.call("room.record", room_id=room_id, on=False)
    await until(host, room_id, "saved")
    await host.call("room.record", room_id=room_id, on=False)
    assert len((await host.call("room.recordings", room_id=room_id))["items"]) == 1


async def test_a_room_can_be_recorded_again(voiced, egress):
    host, room_id = await voiced()
    for _ in range(2):
        await host.call("room.record", room_id=room_id, on=True)
        await host.call("room.record", room_id=room_id, on=False)
        await until(host, room_id, "saved")
    recordings = (await host.call("room.recordings", room_id=room_id))["items"]
    assert [each["state"] for each in recordings] == ["saved", "saved"]
    assert recordings[0]["id"] > recordings[1]["id"]


async def test_livekit_without_egress_is_a_refusal(cluster, voiced):
    """This is the answer of the real LiveKit."""
    host, room_id = await voiced()
    error = await host.refused("room.record", room_id=room_id, on=True)
    assert (error.code, error.message) == ("FAILED_PRECONDITION", "recording is not available now")
    assert not (await host.call("room.get", room_id=room_id))["is_recorded"]
    [failed] = (await host.call("room.recordings", room_id=room_id))["items"]
    assert (failed["state"], failed["error"]["code"]) == ("failed", "refused")


async def test_a_room_without_voice_cannot_be_recorded(person, egress):
    host = await person("host")
    room_id = await open_room(host)
    error = await host.refused("room.record", room_id=room_id, on=True)
    assert (error.code, error.message) == ("FAILED_PRECONDITION", "nobody is connected to the voice of the room")


async def test_no_egress_service_is_a_refusal(voiced, egress):
    host, room_id = await voiced()
    egress.refusals.append(twirp_error(503, "unavailable", "no response from servers"))
    assert (await host.refused("room.record", room_id=room_id, on=True)).code == "FAILED_PRECONDITION"


async def test_lost_webhooks_are_made_up_for(voiced, egress, keep):
    host, room_id = await voiced()
    egress.webhook_url = None
    await host.call("room.record", room_id=room_id, on=True)
    [info] = egress.of_room(room_id)
    await egress.end(info.egress_id)
    keep()
    await until(host, room_id, "saved")


async def test_a_failure_of_egress_has_a_reason_for_the_host(person, voiced, egress):
    host, room_id = await voiced()
    mona = await person("mona")
    await host.call("room.record", room_id=room_id, on=True)
    [info] = egress.of_room(room_id)
    await egress.fail(info.egress_id, "pipeline frozen at 10.0.0.7")
    failed = await until(host, room_id, "failed")
    assert failed["error"] == {"code": "egress_failed", "message": "LiveKit could not record the room."}
    assert failed["media"] is None
    [seen] = (await mona.call("room.recordings", room_id=room_id))["items"]
    assert seen["error"] is None
    assert not (await host.call("room.get", room_id=room_id))["is_recorded"]


async def test_a_recording_that_livekit_has_lost_fails_in_the_end(cluster, voiced, egress, keep):
    host, room_id = await voiced()
    await host.call("room.record", room_id=room_id, on=True)
    egress.forget(room_id)
    await make_older(cluster, room_id, "2 minutes")
    keep()
    assert (await until(host, room_id, "failed"))["error"]["code"] == "lost"


async def test_a_stored_file_counts_though_livekit_has_forgotten_it(cluster, voiced, egress, keep):
    host, room_id = await voiced()
    egress.webhook_url = None
    await host.call("room.record", room_id=room_id, on=True)
    [info] = egress.of_room(room_id)
    await egress.end(info.egress_id)
    egress.forget(room_id)
    await make_older(cluster, room_id, "2 minutes")
    keep()
    await until(host, room_id, "saved")


async def test_a_recording_is_not_longer_than_an_hour(cluster, voiced, egress, keep):
    host, room_id = await voiced()
    await host.call("room.record", room_id=room_id, on=True)
    await make_older(cluster, room_id, "1 hour")
    keep()
    await until(host, room_id, "saved")


async def test_a_recording_that_livekit_never_ends_fails(cluster, voiced, egress, keep):
    host, room_id = await voiced()
    await host.call("room.record", room_id=room_id, on=True)
    [info] = egress.of_room(room_id)
    info.status = EgressStatus.EGRESS_ENDING
    await host.call("room.record", room_id=room_id, on=False)
    owner = await cluster.owner()
    late = "UPDATE room_recordings SET ended_at = now() - interval '61 minutes' WHERE room_id = $1"
    await owner.execute(late, int(room_id))
    await owner.close()
    keep()
    assert (await until(host, room_id, "failed"))["error"]["code"] == "too_slow"


async def test_a_recording_fails_where_recording_was_switched_off(cluster, voiced, egress, keep, monkeypatch):
    host, room_id = await voiced()
    await host.call("room.record", room_id=room_id, on=True)
    tools = dataclasses.replace(cluster.workers.tools, recorder=None)
    await settle_room(tools, int(room_id))
    assert (await host.call("room.get", room_id=room_id))["is_recorded"]  # nobody has stopped it
    monkeypatch.setattr(cluster.workers, "tools", tools)
    keep()
    assert (await until(host, room_id, "failed"))["error"]["code"] == "switched_off"


async def test_a_failed_recording_leaves_no_objects(cluster, voiced, egress):
    host, room_id = await voiced()
    await host.call("room.record", room_id=room_id, on=True)
    [(key,)] = await ask(cluster, "SELECT object_key FROM room_recordings WHERE room_id = $1", int(room_id))
    [info] = egress.of_room(room_id)
    webhook, egress.webhook_url = egress.webhook_url, None
    await egress.end(info.egress_id)
    assert await cluster.stores.objects.page(key)
    egress.webhook_url = webhook
    await egress.fail(info.egress_id, "the upload was cut off")
    await until(host, room_id, "failed")
    await cluster.settle()
    assert not await cluster.stores.objects.page(key)


async def test_a_start_whose_answer_is_lost_is_stopped(voiced, egress, keep):
    """Until LiveKit has confirmed the end, the room is shown as recorded."""
    host, room_id = await voiced()
    egress.loses_answers = True
    error = await host.refused("room.record", room_id=room_id, on=True)
    assert (error.code, error.message) == ("FAILED_PRECONDITION", "recording is not available now")
    assert (await host.call("room.get", room_id=room_id))["is_recorded"]
    keep()
    await until(host, room_id, "saved")
    assert not (await host.call("room.get", room_id=room_id))["is_recorded"]


async def test_a_start_without_an_answer_is_refused(cluster, voiced, egress, keep, monkeypatch):
    """So it is when LiveKit finds no egress service: its answer takes 22 s."""
    monkeypatch.setattr(recorder, "START_TIMEOUT_S", 0.3)
    host, room_id = await voiced()
    egress.hangs.set()
    assert (await host.refused("room.record", room_id=room_id, on=True)).code == "FAILED_PRECONDITION"
    await make_older(cluster, room_id, "1 minute")
    keep()
    assert (await until(host, room_id, "failed"))["error"]["code"] == "lost"
    assert not (await host.call("room.get", room_id=room_id))["is_recorded"]


async def test_recordings_without_a_row_are_stopped(cluster, voiced, egress):
    """More than fit a page, and one that another application has started."""
    host, room_id = await voiced()
    ours = cluster.stores.recorder
    for number in range(5):
        await ours.start(int(room_id), f"private/{number}/secret/")
    foreign = await ours._egress.start_room_composite_egress(
        RoomCompositeEgressRequest(room_name=room_id, file_outputs=[EncodedFileOutput(filepath="meeting.mp4")])
    )
    await host.call("room.record", room_id=room_id, on=True)
    await stop_orphans(cluster.workers.tools)
    running = [info for info in egress.of_room(room_id) if not info.file_results]
    assert {info.egress_id for info in running} >= {foreign.egress_id}
    assert len(running) == 2


async def test_webhooks_can_be_repeated_and_late(cluster, voiced, egress):
    host, room_id = await voiced()
    await host.call("room.record", room_id=room_id, on=True)
    [info] = egress.of_room(room_id)
    early = MessageToJson(WebhookEvent(event="egress_updated", egress_info=info))
    await egress.end(info.egress_id)
    saved = await until(host, room_id, "saved")
    for body in (early, MessageToJson(WebhookEvent(event="egress_ended", egress_info=info)), early):
        assert await egress.send(body) == 200
    assert [saved] == (await host.call("room.recordings", room_id=room_id))["items"]


async def test_hostile_and_unknown_webhooks_change_nothing(voiced, egress):
    host, room_id = await voiced()
    await host.call("room.record", room_id=room_id, on=True)
    [info] = egress.of_room(room_id)
    info.status = 4
    ended = MessageToJson(WebhookEvent(event="egress_ended", egress_info=info))
    assert await egress.send(ended, secret="s" * 40) == 401
    assert await egress.send(ended, signed=ended + " ") == 401
    assert await egress.send("no JSON") == 401
    assert await egress.send(" " * (livekit_webhook.MOST_BYTES + 1)) == 413
    assert await egress.send(json.dumps({"event": "room_started"})) == 200
    assert await egress.send(json.dumps({"event": "from_the_future", "egressInfo": {"whatIsThis": 1}})) == 200
    async with ClientSession() as session, session.post(egress.webhook_url, data=ended) as answer:
        assert answer.status == 401
    assert (await host.call("room.recordings", room_id=room_id))["items"][0]["state"] == "recording"


async def test_the_file_becomes_playable_like_an_upload(cluster, voiced, egress):
    host, room_id = await voiced()
    await host.call("room.record", room_id=room_id, on=True)
    await host.call("room.close", room_id=room_id)
    saved = await until(host, room_id, "saved")
    stop = asyncio.Event()
    url = cluster.servers.postgres_url("daira_worker")
    lanes = [asyncio.create_task(run_lane(cluster.workers.tools, name, url, stop)) for name in LANES]
    await host.expect("media.ready")
    stop.set()
    await asyncio.gather(*lanes)
    file = await host.call("media.get", media_id=saved["id"])
    assert (file["status"], file["duration_ms"] // 100) == ("ready", 10)
    [sound] = file["variants"]
    async with ClientSession() as session, session.get(URL(sound["url"], encoded=True)) as answer:
        assert (answer.status, answer.content_type) == (200, "audio/mp4")
