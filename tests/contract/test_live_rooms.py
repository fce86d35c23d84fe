"""Live rooms as clients see them, on two nodes."""

import asyncio

import jwt
import pytest

from storage import room_messages
from tests.faults import soon
from tests.people import Person


async def open_room(host: Person, **options) -> str:
    """Open a live room that its host has joined; return its id."""
    room = await host.call("room.create", topic="ليلة الكشري", **options)
    await host.call("room.start", room_id=room["id"])
    await host.call("room.join", room_id=room["id"])
    return room["id"]


async def open_stage(person, *, node: str) -> tuple[Person, Person, str]:
    """Open a live room with its host and a speaker, who is on `node`."""
    host, speaker = await person("host"), await person("speaker", node=node)
    room_id = await open_room(host)
    await speaker.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=speaker.id, role="speaker")
    return host, speaker, room_id


def ids(people) -> list[str]:
    return [each["id"] for each in people]


async def befriend(cluster, follower: Person, followee: Person) -> None:
    await follower.call("graph.follow", user_id=followee.id)


async def test_a_room_from_its_announcement_to_its_digest(cluster, person):
    host, guest = await person("host"), await person("guest", node="b")
    room = await host.call("room.create", topic="  Koshary night ", capacity=50, slow_mode_s=0)
    assert (room["state"], room["topic"], room["host"]["id"]) == ("scheduled", "Koshary night", host.id)
    assert (room["version"], room["audience_count"], room["speakers"]) == (1, 0, [])
    assert (await guest.refused("room.join", room_id=room["id"])).code == "FAILED_PRECONDITION"
    started = await host.call("room.start", room_id=room["id"], version=1)
    assert (started["state"], started["version"]) == ("live", 2)
    joined = await host.call("room.join", room_id=room["id"])
    assert (joined["role"], joined["muted"], joined["recent_messages"]) == ("host", False, [])
    assert [each["role"] for each in joined["participants"]] == ["host"]
    seen = await guest.call("room.join", room_id=room["id"])
    assert (seen["role"], seen["room"]["audience_count"], ids(seen["room"]["speakers"])) == ("listener", 2, [host.id])
    assert {each["user"]["id"]: each["role"] for each in seen["participants"]} == {
        host.id: "host",
        guest.id: "listener",
    }
    assert [(await host.expect("room.joined"))["user"]["id"] for _ in range(2)] == [host.id, guest.id]
    await host.expect("room.audience", count=2)

    message = await guest.call("room.send", room_id=room["id"], text="مساء الخير يا جماعة، مين بيحب الكشري؟")
    for each in (host, guest):
        assert (await each.expect("room.message"))["message"] == message
    await host.call("room.react", room_id=room["id"], emoji="🔥", message_id=message["id"])
    assert (await guest.expect("room.reacted"))["counts"] == {"🔥": 1}

    closed = await host.call("room.close", room_id=room["id"])
    assert closed["state"] == "ended"
    for each in (host, guest):
        assert (await each.expect("room.closed"))["room"]["state"] == "ended"
        await each.expect("room.digested", room_id=room["id"])
    digest = await guest.call("room.digest", room_id=room["id"])
    assert (digest["peak"], ids(speaker["user"] for speaker in digest["speakers"])) == (2, [host.id])
    assert digest["top_messages"] == [{"message": message, "reactions": {"🔥": 1}}]
    assert max(point["count"] for point in digest["attendance"]) == 2
    assert (await guest.refused("room.join", room_id=room["id"])).code == "FAILED_PRECONDITION"


async def test_hands_queue_in_order_and_roles_open_the_stage(person):
    host, mona, omar = await person("host"), await person("mona", node="b"), await person("omar")
    room_id = await open_room(host)
    for each in (mona, omar):
        await each.call("room.join", room_id=room_id)
    await omar.call("room.raise_hand", room_id=room_id, raised=True)
    await mona.call("room.raise_hand", room_id=room_id, raised=True)
    await omar.call("room.raise_hand", room_id=room_id, raised=True)
    assert ids((await host.call("room.get", room_id=room_id))["hands"]) == [omar.id, mona.id]
    await host.call("room.set_role", room_id=room_id, user_id=omar.id, role="speaker")
    assert (await omar.expect("room.role_changed"))["role"] == "speaker"

    async def until(shown) -> None:
        while not shown((await mona.expect("room.updated"))["room"]):
            continue

    await until(lambda room: set(ids(room["speakers"])) == {host.id, omar.id} and ids(room["hands"]) == [mona.id])
    assert (await omar.refused("room.raise_hand", room_id=room_id, raised=True)).code == "PERMISSION_DENIED"
    assert (await mona.refused("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")).code == (
        "PERMISSION_DENIED"
    )
    await omar.call("room.set_role", room_id=room_id, user_id=omar.id, role="listener")
    await until(lambda room: ids(room["speakers"]) == [host.id])


async def test_cohosts_cannot_overwrite_each_other(person):
    host, one, other = [await person(name) for name in ("host", "one", "other")]
    room_id = await open_room(host)
    for each in (one, other):
        await each.call("room.join", room_id=room_id)
        await host.call("room.set_role", room_id=room_id, user_id=each.id, role="cohost")
    version = (await one.call("room.get", room_id=room_id))["version"]
    updates = [
        each.answer("room.update", {"room_id": room_id, "version": version, "topic": each.name[:5]})
        for each in (one, other)
    ]
    answers = await asyncio.gather(*updates)
    assert sorted(answer["ok"] for answer in answers) == [False, True]
    assert {answer["error"]["code"] for answer in answers if not answer["ok"]} == {"ABORTED"}
    refused = await one.refused("room.kick", room_id=room_id, user_id=other.id)
    assert refused.code == "PERMISSION_DENIED"


@pytest.mark.parametrize("act", ["kick", "ban"])
async def test_a_removed_user_is_out_on_all_devices(cluster, person, act):
    host, mona = await person("host"), await person("mona")
    second = await cluster.again(mona, node="b")
    room_id = await open_room(host)
    for each in (mona, second):
        await each.call("room.join", room_id=room_id)
    await host.call(f"room.{act}", room_id=room_id, user_id=mona.id, reason="noise")
    for each in (mona, second):
        assert (await each.expect("room.removed"))["reason"] == {"kick": "kicked", "ban": "banned"}[act]
    assert (await host.expect("room.left"))["user_id"] == mona.id
    assert (await host.call("room.get", room_id=room_id))["audience_count"] == 1
    await host.call("room.send", room_id=room_id, text="now we are alone")
    await cluster.settle(mona, second)
    assert not mona.heard("room.message")
    assert not second.heard("room.message")
    refused = await mona.refused("room.send", room_id=room_id, text="let me in")
    if act == "kick":
        assert refused.code == "FAILED_PRECONDITION"
        await mona.call("room.join", room_id=room_id)
        return
    assert refused.code == "PERMISSION_DENIED"
    assert (await mona.refused("room.join", room_id=room_id)).code == "PERMISSION_DENIED"
    await host.call("room.unban", room_id=room_id, user_id=mona.id)
    await mona.call("room.join", room_id=room_id)


async def test_every_moderation_action_leaves_an_audit_row(cluster, person):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    message = await mona.call("room.send", room_id=room_id, text="spam")
    await host.call("room.delete_message", room_id=room_id, message_id=message["id"])
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await host.call("room.mute", room_id=room_id, user_id=mona.id, muted=True)
    await host.call("room.kick", room_id=room_id, user_id=mona.id)
    await host.call("room.ban", room_id=room_id, user_id=mona.id, reason="spam")
    await host.call("room.unban", room_id=room_id, user_id=mona.id)
    await host.call("room.close", room_id=room_id)
    owner = await cluster.owner()
    rows = await owner.fetch("SELECT action, actor_id FROM audit WHERE resource = $1 ORDER BY id", f"room:{room_id}")
    await owner.close()
    acts = ["delete_message", "set_role", "mute", "kick", "ban", "unban", "close"]
    assert [row["action"] for row in rows] == [f"room.{act}" for act in acts]
    assert {row["actor_id"] for row in rows} == {int(host.id)}


async def test_a_muted_user_can_neither_speak_nor_write(person):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    await host.call("room.mute", room_id=room_id, user_id=mona.id, muted=True)
    assert (await mona.expect("room.role_changed"))["muted"] is True
    assert (await mona.refused("room.send", room_id=room_id, text="…")).code == "PERMISSION_DENIED"
    await host.call("room.mute", room_id=room_id, user_id=mona.id, muted=False)
    await mona.call("room.send", room_id=room_id, text="thanks")


async def test_slow_mode_applies_across_all_devices(cluster, person):
    host, mona = await person("host"), await person("mona")
    second = await cluster.again(mona, node="b")
    room_id = await open_room(host, slow_mode_s=60)
    for each in (mona, second):
        await each.call("room.join", room_id=room_id)
    answers = await asyncio.gather(
        *(each.answer("room.send", {"room_id": room_id, "text": "me"}) for each in (mona, second))
    )
    assert sorted(answer["ok"] for answer in answers) == [False, True]
    [error] = [answer["error"] for answer in answers if not answer["ok"]]
    assert error["code"] == "RESOURCE_EXHAUSTED"
    assert 50_000 < error["retry_after_ms"] <= 60_000
    for _ in range(3):
        await host.call("room.send", room_id=room_id, text="the stage goes on")


async def test_capacity_is_exact_across_two_nodes(cluster, person):
    host = await person("host")
    room_id = await open_room(host, capacity=6)
    people = [await person(f"p{number}", node="ab"[number % 2]) for number in range(12)]
    answers = await asyncio.gather(*(each.answer("room.join", {"room_id": room_id}) for each in people))
    assert sum(answer["ok"] for answer in answers) == 5
    assert {answer["error"]["code"] for answer in answers if not answer["ok"]} == {"FAILED_PRECONDITION"}
    inside = next(each for each, answer in zip(people, answers, strict=True) if answer["ok"])
    outside = next(each for each, answer in zip(people, answers, strict=True) if not answer["ok"])
    await inside.call("room.leave", room_id=room_id)
    await host.expect("room.left", user_id=inside.id)
    await outside.call("room.join", room_id=room_id)


async def test_a_host_who_leaves_is_succeeded(person):
    host, cohost, speaker = [await person(name) for name in ("host", "cohost", "speaker")]
    room_id = await open_room(host)
    for each, role in ((speaker, "speaker"), (cohost, "cohost")):
        await each.call("room.join", room_id=room_id)
        await host.call("room.set_role", room_id=room_id, user_id=each.id, role=role)
    await host.call("room.leave", room_id=room_id)
    while (await speaker.expect("room.updated"))["room"]["host"]["id"] != cohost.id:
        continue
    assert (await host.call("room.join", room_id=room_id))["role"] == "cohost"
    await cohost.call("room.transfer_host", room_id=room_id, user_id=speaker.id)
    assert (await host.call("room.get", room_id=room_id))["host"]["id"] == speaker.id


async def test_private_rooms_are_visible_only_to_invited_users(cluster, person):
    host, friend, guest, stranger = [await person(name) for name in ("host", "friend", "guest", "stranger")]
    await friend.call("graph.follow", user_id=host.id)
    followers_only = await open_room(host, visibility="followers")
    private = await open_room(host, visibility="private")
    assert (await stranger.refused("room.get", room_id=followers_only)).code == "NOT_FOUND"
    assert (await stranger.refused("room.join", room_id=followers_only)).code == "NOT_FOUND"
    await friend.call("room.join", room_id=followers_only)
    assert (await friend.refused("room.join", room_id=private)).code == "NOT_FOUND"
    await host.call("room.invite", room_id=private, user_ids=[guest.id])
    assert (await guest.expect("room.invited"))["room"]["id"] == private
    await guest.call("room.join", room_id=private)
    listed = {room["id"] for room in (await stranger.call("room.list", state="live", limit=100))["items"]}
    assert not listed & {followers_only, private}
    # A user who loses access is removed.
    await friend.call("graph.unfollow", user_id=host.id)
    assert (await friend.expect("room.removed"))["reason"] == "access"
    await host.call("graph.block", user_id=guest.id)
    assert (await guest.expect("room.removed"))["reason"] == "access"
    assert (await host.call("room.get", room_id=private))["audience_count"] == 1


async def test_a_user_who_has_a_block_with_the_new_host_is_removed(person):
    host, heir, mona, omar = [await person(name) for name in ("host", "heir", "mona", "omar")]
    room_id = await open_room(host)
    await mona.call("graph.block", user_id=heir.id)
    await heir.call("graph.block", user_id=omar.id)
    for each in (heir, mona, omar):
        await each.call("room.join", room_id=room_id)
    await host.call("room.transfer_host", room_id=room_id, user_id=heir.id)
    for each in (mona, omar):
        assert (await each.expect("room.removed"))["reason"] == "access"
        pushed = [push["room"]["host"]["id"] for push in each.heard("room.updated")]
        assert heir.id not in pushed
    assert (await heir.call("room.get", room_id=room_id))["audience_count"] == 2


async def test_the_list_has_exactly_the_rooms_that_the_user_may_see(person):
    """For every kind of access, the pages of `room.list` contain exactly the rooms that `room.get` returns."""
    host, friend, guest, stranger, blocked = [
        await person(name) for name in ("host", "friend", "guest", "stranger", "blocked")
    ]
    circle = await host.call("circle.create", name="أصحاب", user_ids=[stranger.id])
    await friend.call("graph.follow", user_id=host.id)
    await host.call("graph.block", user_id=blocked.id)
    kinds: tuple[dict, ...] = (
        {"visibility": "public"}, {"visibility": "followers"}, {"visibility": "private"},
        {"visibility": "circle", "circle_id": circle["id"]},
    )  # fmt: skip
    rooms = {(await host.call("room.create", topic="r", **kind))["id"]: "scheduled" for kind in kinds for _ in range(2)}
    for room_id in list(rooms)[::2]:
        rooms[room_id] = "live"
        await host.call("room.start", room_id=room_id)
    given = await open_room(host, visibility="private")
    rooms[given] = "live"
    await host.call("room.invite", room_id=given, user_ids=[guest.id])
    await guest.call("room.join", room_id=given)
    await host.call("room.transfer_host", room_id=given, user_id=guest.id)
    for who in (host, friend, guest, stranger, blocked):
        seen = {room_id for room_id in rooms if (await who.answer("room.get", {"room_id": room_id}))["ok"]}
        for state in (None, "live", "scheduled"):
            expected = sorted((each for each in seen if state in (None, rooms[each])), key=int, reverse=True)
            assert await listed(who, rooms, state) == expected, (who.name, state)
    assert not await listed(blocked, rooms, None)


async def listed(who, rooms, state: str | None) -> list[str]:
    """Return those of the rooms that are listed, in pages of two."""
    found, cursor = [], None
    while True:
        page = await who.call("room.list", state=state, limit=2, cursor=cursor)
        found += [room["id"] for room in page["items"] if room["id"] in rooms]
        cursor = page["next_cursor"]
        if cursor is None or (page["items"] and int(page["items"][-1]["id"]) < min(map(int, rooms))):
            return found


async def test_pushes_of_hidden_users_are_not_received(cluster, person):
    host, mona, omar = [await person(name) for name in ("host", "mona", "omar")]
    room_id = await open_room(host)
    await mona.call("graph.block", user_id=omar.id)
    for each in (mona, omar):
        await each.call("room.join", room_id=room_id)
    await omar.call("room.send", room_id=room_id, text="can you hear me?")
    await host.expect("room.message")
    await cluster.settle(mona)
    assert not mona.heard("room.message")
    assert not [push for push in mona.heard("room.joined") if push["user"]["id"] == omar.id]
    assert not (await mona.call("room.messages", room_id=room_id))["items"]
    inside = (await mona.call("room.participants", room_id=room_id))["items"]
    assert omar.id not in ids(each["user"] for each in inside)


async def test_many_messages_arrive_in_order_and_the_newest_are_kept(person, monkeypatch):
    monkeypatch.setattr(room_messages, "MOST_MESSAGES", 30)
    host, mona = await person("host"), await person("mona", node="b")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    sent = ids(await asyncio.gather(*(host.call("room.send", room_id=room_id, text=f"{n}") for n in range(100))))
    assert [(await mona.expect("room.message"))["message"]["id"] for _ in sent] == sent

    async def kept() -> list[str]:
        return ids((await mona.call("room.messages", room_id=room_id, limit=100))["items"])

    assert await soon(kept, sent[:-31:-1]) == sent[:-31:-1]


async def test_participants_and_messages_page(person):
    host = await person("host")
    room_id = await open_room(host)
    people = [await person(f"p{number}", node="ab"[number % 2]) for number in range(6)]
    for each in people:
        await each.call("room.join", room_id=room_id)
    for number in range(5):
        await host.call("room.send", room_id=room_id, text=f"message {number}")
    found, cursor = [], None
    while True:
        page = await host.call("room.participants", room_id=room_id, limit=2, cursor=cursor)
        found += ids(each["user"] for each in page["items"])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert found == [host.id, *(each.id for each in people)]
    texts, cursor = [], None
    while True:
        page = await people[0].call("room.messages", room_id=room_id, limit=2, cursor=cursor)
        texts += [message["text"] for message in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert texts == [f"message {number}" for number in (4, 3, 2, 1, 0)]


async def test_voice_tokens_require_livekit(person):
    host = await person("host")
    room_id = await open_room(host)
    assert (await host.refused("room.media_token", room_id=room_id)).code == "FAILED_PRECONDITION"


async def test_a_user_outside_the_room_can_send_nothing(person):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    for method, arguments in (
        ("room.send", {"text": "hello"}),
        ("room.react", {"emoji": "🔥"}),
        ("room.raise_hand", {"raised": True}),
        ("typing.start", {}),
    ):
        assert (await mona.refused(method, room_id=room_id, **arguments)).code == "FAILED_PRECONDITION", method


async def test_the_stage_is_shown_without_hidden_users(cluster, person):
    host, mona, omar = await person("host"), await person("mona", node="b"), await person("omar")
    room_id = await open_room(host)
    await mona.call("graph.block", user_id=omar.id)
    for each in (mona, omar):
        await each.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=omar.id, role="speaker")
    while set(ids((await host.expect("room.updated"))["room"]["speakers"])) != {host.id, omar.id}:
        continue
    await cluster.settle(mona)
    shown = mona.heard("room.updated")
    assert shown
    assert all(ids(push["room"]["speakers"]) == [host.id] for push in shown)
    assert ids((await mona.call("room.get", room_id=room_id))["speakers"]) == [host.id]


async def test_voice_tokens_follow_the_role(person, node):
    secret = "a secret that LiveKit knows as well, of 32 characters or more"
    voice = await node(livekit_url="wss://voice.example", livekit_key="key", livekit_secret=secret)
    host, mona = await person("host", node=voice), await person("mona", node=voice)
    room_id = await open_room(host)
    assert (await mona.refused("room.media_token", room_id=room_id)).code == "FAILED_PRECONDITION"
    await mona.call("room.join", room_id=room_id)

    async def may_publish() -> bool:
        answer = await mona.call("room.media_token", room_id=room_id)
        assert answer["url"] == "wss://voice.example"
        claims = jwt.decode(answer["token"], secret, algorithms=["HS256"], issuer="key")
        assert (claims["sub"], claims["video"]["room"]) == (mona.id, room_id)
        return claims["video"]["canPublish"]

    assert not await may_publish()
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await mona.expect("room.role_changed", role="speaker")
    assert await may_publish()
    await host.call("room.mute", room_id=room_id, user_id=mona.id, muted=True)
    assert not await may_publish()
