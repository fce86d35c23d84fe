"""A room has one digest, however often its end is handled."""

import asyncio

from protocol.events import RoomClosedEvent
from stage.roster import _by_minute
from tests.contract.test_live_rooms import ids, open_room
from workers.digests import digest_room
from workers.job import Job

CHAT = ("الكشري أحلى أكلة في مصر كلها", "أنا بحب الكشري بالدقة والشطة الزيادة", "ok", "الكشري من عند أبو طارق أحسن")


async def test_an_end_handled_three_times_makes_one_digest(cluster, person):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    for text in (
        "الكشري أحلى أكلة في مصر كلها",
        "أنا بحب الكشري بالدقة والشطة الزيادة",
        "ok",
        "الكشري من عند أبو طارق أحسن",
    ):
        await mona.call("room.send", room_id=room_id, text=text)
    await host.call("room.close", room_id=room_id)
    await cluster.settle(mona)
    job = Job(1, cluster.workers.tools)
    await asyncio.gather(*(digest_room(job, RoomClosedEvent(room_id=int(room_id))) for _ in range(2)))
    await cluster.settle(mona)
    assert [push["room_id"] for push in mona.heard("room.digested")] == [room_id]
    owner = await cluster.owner()
    assert await owner.fetchval("SELECT count(*) FROM room_digests WHERE room_id = $1", int(room_id)) == 1
    await owner.close()
    digest = await mona.call("room.digest", room_id=room_id)
    assert digest["summary"]
    assert all("الكشري" in message["text"] for message in digest["summary"])
    assert ids(speaker["user"] for speaker in digest["speakers"]) == [host.id]


def test_the_curve_has_every_minute():
    """Three users join in the first minute; two leave in the third, and one of them rejoins; the last has no change."""
    most, last = {100: 3, 102: 2, 104: 2}, {100: 3, 102: 2, 104: 2}
    curve = _by_minute(most, last)
    assert curve == {6000: 3, 6060: 3, 6120: 3, 6180: 2, 6240: 2}
    assert _by_minute({}, {}) == {}


async def test_a_reaction_counts_for_a_message_that_workers_have_not_seen_yet(cluster, person):
    host = await person("host")
    room_id = await open_room(host)
    message_id = (await host.call("room.send", room_id=room_id, text="so new"))["id"]
    await cluster.settle(host)
    await cluster.stores.roster.forget_message(int(room_id), int(message_id))
    await host.call("room.react", room_id=room_id, message_id=message_id, emoji="🔥")
    await host.expect("room.reacted", room_id=room_id)
    await host.call("room.close", room_id=room_id)
    await host.expect("room.digested", room_id=room_id)
    [top] = (await host.call("room.digest", room_id=room_id))["top_messages"]
    assert (top["message"]["id"], top["reactions"]) == (message_id, {"🔥": 1})
