"""Live rooms after connections drop: users who return in time keep their place, and abandoned rooms are handled."""

import pytest

from presence import reports
from stage import attendance
from tests.contract.test_live_rooms import ids, open_room
from tests.contract.test_recovery import away, back, online
from tests.faults import count, cut, is_to_be_looked_at, soon
from tests.patience import WAIT_S
from workers import room_keeper as keeper


@pytest.fixture
def short_grace(monkeypatch):
    """Shorten the grace period for dropped connections from five seconds."""
    monkeypatch.setattr(attendance, "GRACE_S", 0.2)


async def test_an_absent_host_is_succeeded(person, monkeypatch, short_grace):
    monkeypatch.setattr(keeper, "HOST_GRACE_S", 0.5)
    host, cohost, speaker = [await person(name, node=node) for name, node in (("h", "a"), ("c", "b"), ("s", "a"))]
    room_id = await open_room(host)
    for each, role in ((speaker, "speaker"), (cohost, "cohost")):
        await each.call("room.join", room_id=room_id)
        await host.call("room.set_role", room_id=room_id, user_id=each.id, role=role)
    await host.close()
    while (await speaker.expect("room.updated"))["room"]["host"]["id"] != cohost.id:
        continue
    while (await cohost.expect("room.role_changed"))["role"] != "host":
        continue


async def test_a_host_who_returns_in_time_stays_host(cluster, person, monkeypatch, short_grace):
    monkeypatch.setattr(keeper, "HOST_GRACE_S", 2 * WAIT_S)
    host, cohost = await person("host"), await person("cohost")
    room_id = await open_room(host)
    await cohost.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=cohost.id, role="cohost")
    await host.close()
    await cohost.expect("room.left", user_id=host.id)
    host = await cluster.again(host, node="b")
    assert (await host.call("room.join", room_id=room_id))["role"] == "host"
    monkeypatch.setattr(keeper, "HOST_GRACE_S", 0)
    await cluster.stores.roster.watch_out(int(room_id))
    assert await soon(lambda: is_to_be_looked_at(cluster, room_id), False) is False
    assert (await cohost.call("room.get", room_id=room_id))["host"]["id"] == host.id


async def test_a_room_with_an_empty_stage_ends(person, monkeypatch, short_grace):
    host, listener = await person("host"), await person("listener", node="b")
    room_id = await open_room(host)
    await listener.call("room.join", room_id=room_id)
    monkeypatch.setattr(keeper, "EMPTY_STAGE_S", 0.5)
    await host.close()
    assert (await listener.expect("room.closed"))["room"]["state"] == "ended"
    await listener.expect("room.digested", room_id=room_id)


async def test_a_dropped_listener_keeps_seat_and_hand(cluster, person, monkeypatch):
    monkeypatch.setattr(attendance, "GRACE_S", WAIT_S)
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host, capacity=2)
    await mona.call("room.join", room_id=room_id)
    await mona.call("room.raise_hand", room_id=room_id, raised=True)
    await mona.close()
    late = await person("late", node="b")
    assert (await late.refused("room.join", room_id=room_id)).code == "FAILED_PRECONDITION"
    mona = await cluster.again(mona, node="b")
    await mona.call("room.join", room_id=room_id)
    assert ids((await host.call("room.get", room_id=room_id))["hands"]) == [mona.id]
    assert not host.heard("room.left")


@pytest.mark.javascript
async def test_a_recovered_client_is_in_its_room_again(cluster, person, short_grace):
    host, mona = await person("host"), await online(cluster, "mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await away(cluster, mona)
    await host.expect("room.left", user_id=mona.id)
    message = await host.call("room.send", room_id=room_id, text="you missed this")
    await cluster.settle()
    assert (await back(cluster, mona, node="b"))["recovered"] is True
    assert (await mona.expect("room.message"))["message"] == message
    inside = (await host.call("room.participants", room_id=room_id))["items"]
    assert mona.id in ids(each["user"] for each in inside)
    await mona.call("room.send", room_id=room_id, text="here again")


@pytest.mark.javascript
async def test_a_user_removed_while_away_is_not_in_the_room_again(cluster, person, monkeypatch):
    monkeypatch.setattr(attendance, "GRACE_S", WAIT_S)
    host, mona = await person("host"), await online(cluster, "mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await away(cluster, mona)
    await host.call("room.kick", room_id=room_id, user_id=mona.id)
    assert (await back(cluster, mona, node="b"))["recovered"] is True
    assert (await mona.expect("room.removed"))["room_id"] == room_id
    assert (await host.call("room.get", room_id=room_id))["audience_count"] == 1
    assert (await mona.refused("room.send", room_id=room_id, text="?")).code == "FAILED_PRECONDITION"


@pytest.mark.javascript
async def test_the_end_of_a_room_is_told_after_a_recovery(cluster, person):
    host, mona = await person("host"), await online(cluster, "mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await away(cluster, mona)
    await host.call("room.close", room_id=room_id)
    await cluster.settle()
    assert (await back(cluster, mona))["recovered"] is True
    assert (await mona.expect("room.removed"))["room_id"] == room_id


@pytest.mark.javascript
async def test_a_recovered_client_still_watches_presence(cluster, person):
    omar, mona = await person("omar"), await online(cluster, "mona")
    await mona.call("presence.watch", user_ids=[omar.id])
    await away(cluster, mona)
    await omar.call("presence.set", status="busy")
    assert (await back(cluster, mona, node="b"))["recovered"] is True
    assert (await mona.expect("presence.changed"))["presence"]["status"] == "busy"
    await omar.call("presence.set", status="away")
    while (await mona.expect("presence.changed"))["presence"]["status"] != "away":  # busy may be repeated
        continue


async def test_a_wrong_host_in_the_roster_is_corrected(cluster, person):
    """After a failover Redis may not know the new host, and rooms would show no host."""
    host, heir = await person("host"), await person("heir")
    room_id = await open_room(host)
    await heir.call("room.join", room_id=room_id)
    await host.call("room.transfer_host", room_id=room_id, user_id=heir.id)
    await cluster.settle(heir)
    await cluster.stores.roster.show_host(int(room_id), int(host.id))
    await keeper._find_live(cluster.workers.tools)
    heir.received.clear()
    version = (await heir.call("room.get", room_id=room_id))["version"]
    await heir.call("room.update", room_id=room_id, version=version, topic="جديد")
    while (await heir.expect("room.updated"))["room"]["topic"] != "جديد":  # the push of the hand-over may still arrive
        continue


async def test_the_users_of_a_dead_node_are_removed(cluster, person):
    """Its users are neither in rooms nor online after it was silent for long enough."""
    host, watcher, mona = await person("host"), await person("watcher"), await person("mona", node="b")
    room_id = await open_room(host)
    for each in (watcher, mona):
        await each.call("room.join", room_id=room_id)
    await watcher.call("presence.watch", user_ids=[mona.id])
    survivor, dead = cluster.node("a"), cluster.node("b")
    await survivor.parts.nodes._on_dead(dead.name)
    assert (await watcher.expect("presence.changed"))["presence"]["status"] == "offline"
    assert (await host.expect("room.left"))["user_id"] == mona.id
    # It was only slow: once it notices, it says all again.
    dead.parts.catching_up.begin()
    assert (await watcher.expect("presence.changed"))["presence"]["status"] == "online"
    assert await soon(lambda: count(host, room_id), 3) == 3


async def test_a_node_that_is_heard_again_is_not_treated_as_dead(cluster, person):
    """It was in the list of silent nodes when another node started to handle that list."""
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await cluster.node_a.parts.nodes._reap(cluster.node_b.name)
    assert (await host.call("room.get", room_id=room_id))["audience_count"] == 2
    assert not host.heard("room.left")


async def test_changes_during_an_outage_of_redis_are_applied_afterwards(cluster, person, monkeypatch, short_grace):
    monkeypatch.setattr(reports, "GRACE_S", 0.2)
    host, watcher = await person("host", node="b"), await person("watcher", node="a")
    here, there = await person("here", node="a"), await person("there", node="b")
    room_id = await open_room(host)
    for each in (here, there):
        await each.call("room.join", room_id=room_id)
    await watcher.call("presence.watch", user_ids=[here.id, there.id])
    async with cut(cluster.node_a):
        for each in (here, there):
            await each.close()  # node a cannot report it, and its watcher cannot get the push
        await host.expect("room.left", user_id=there.id)
    await host.expect("room.left", user_id=here.id)
    shown = {}
    while set(shown.values()) != {"offline"} or len(shown) < 2:
        presence = (await watcher.expect("presence.changed"))["presence"]
        shown[presence["user_id"]] = presence["status"]
    assert (await host.call("room.get", room_id=room_id))["audience_count"] == 1
