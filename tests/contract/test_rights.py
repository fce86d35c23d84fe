"""Rights and limits, also with concurrent calls; refusals do not reveal which users exist."""

import asyncio
from typing import Any

import pytest

from storage import decisions
from tests.cluster import Cluster
from tests.contract.test_auth import PASSWORD, register
from tests.contract.test_live_rooms import open_room
from tests.faults import soon, speakers
from tests.people import Person

NOBODY = "1"  # an id that no user has


async def outcome(person: Person, method: str, **arguments: Any) -> Any:
    """Return the answer without the fields that differ in each call."""
    answer = await person.answer(method, arguments)
    return answer | {"error": {**answer["error"], "request_id": None}} if not answer["ok"] else answer


# ---------------------------------------------------------------------------------------------- roles in rooms


@pytest.mark.parametrize("is_live", [False, True], ids=["scheduled", "live"])
@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("room.transfer_host", {}),
        ("room.set_role", {"role": "cohost"}),
        ("room.set_role", {"role": "speaker"}),
        ("room.mute", {"muted": True}),
    ],
    ids=["host", "cohost", "speaker", "mute"],
)
async def test_no_role_or_mute_for_a_user_who_has_not_joined(cluster, person, method, arguments, is_live):
    host, mona = await person("host"), await person("mona", node="b")
    room_id = (await host.call("room.create", topic="ليلة الكشري"))["id"]
    if is_live:
        await host.call("room.start", room_id=room_id)
    version = (await host.call("room.get", room_id=room_id))["version"]
    refused = await host.refused(method, room_id=room_id, user_id=mona.id, **arguments)
    assert refused.code == "FAILED_PRECONDITION"
    await cluster.settle(mona)
    assert not mona.heard("room.role_changed")
    room = await mona.call("room.get", room_id=room_id)
    assert (room["host"]["id"], room["version"]) == (host.id, version)


@pytest.mark.parametrize("who_blocks", ["target", "caller"])
@pytest.mark.parametrize(
    ("method", "arguments"), [("room.transfer_host", {}), ("room.set_role", {"role": "speaker"})], ids=["host", "role"]
)
async def test_no_role_is_given_across_a_block(person, method, arguments, who_blocks):
    """A cohost's block does not keep a user out of the room, but the two cannot give each other roles."""
    host, other = await person("host"), await person("other")
    room_id = await open_room(host)
    first = await person("first")
    for each in (first, other):
        await each.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=first.id, role="cohost")
    caller = host if method == "room.transfer_host" else first
    if who_blocks == "target":
        await other.call("graph.block", user_id=caller.id)
    else:
        await caller.call("graph.block", user_id=other.id)
    there = await outcome(caller, method, room_id=room_id, user_id=other.id, **arguments)
    nowhere = await outcome(caller, method, room_id=room_id, user_id=NOBODY, **arguments)
    assert there == nowhere
    assert there["error"]["code"] == "NOT_FOUND"


async def test_a_user_on_the_stage_can_be_removed_from_it_despite_a_block(cluster, person):
    host, cohost, mona = [await person(name) for name in ("host", "cohost", "mona")]
    room_id = await open_room(host)
    for each in (cohost, mona):
        await each.call("room.join", room_id=room_id)
    await host.call("room.set_role", room_id=room_id, user_id=cohost.id, role="cohost")
    await host.call("room.set_role", room_id=room_id, user_id=mona.id, role="speaker")
    await mona.call("graph.block", user_id=cohost.id)
    await mona.call("room.leave", room_id=room_id)
    await cohost.call("room.mute", room_id=room_id, user_id=mona.id, muted=True)
    await cohost.call("room.set_role", room_id=room_id, user_id=mona.id, role="listener")
    assert (await mona.call("room.join", room_id=room_id))["role"] == "listener"
    assert await soon(lambda: speakers(host, room_id), [host.id, cohost.id]) == [host.id, cohost.id]


async def test_the_size_of_a_stage_is_bounded_also_for_a_transfer(cluster, person):
    host, mona = await person("host"), await person("mona")
    room_id = await open_room(host)
    await mona.call("room.join", room_id=room_id)
    crowd = [cluster.unique("speaker") for _ in range(100)]
    await cluster.tokens(crowd)
    owner = await cluster.owner()
    await owner.execute(
        """INSERT INTO room_roles (room_id, user_id, role)
        SELECT $1, id, 'speaker' FROM users WHERE username = ANY ($2)""",
        int(room_id), crowd,
    )  # fmt: skip
    for method, arguments in (("room.set_role", {"role": "speaker"}), ("room.transfer_host", {})):
        refused = await host.refused(method, room_id=room_id, user_id=mona.id, **arguments)
        assert (refused.code, "100" in refused.error["message"]) == ("FAILED_PRECONDITION", True)
    await owner.execute(
        """DELETE FROM room_roles
        WHERE room_id = $1 AND user_id = (SELECT max(user_id) FROM room_roles WHERE room_id = $1)""",
        int(room_id),
    )
    await owner.close()
    await host.call("room.transfer_host", room_id=room_id, user_id=mona.id)


async def test_reactions_to_missing_messages_are_refused(cluster: Cluster, person):
    host, mona = await person("host"), await person("mona", node="b")
    room_id, other_room = await open_room(host), await open_room(host)
    await mona.call("room.join", room_id=room_id)
    for message_id in (NOBODY, str(2**63 - 1), (await host.call("room.send", room_id=other_room, text="there"))["id"]):
        refused = await mona.refused("room.react", room_id=room_id, emoji="🔥", message_id=message_id)
        assert refused.code == "NOT_FOUND"
    message = await host.call("room.send", room_id=room_id, text="here")
    react = {"room_id": room_id, "emoji": "🔥", "message_id": message["id"]}
    await mona.call("room.react", **react)  # at once: the roster may not know the message yet
    await cluster.settle()  # a worker that handles the message after its deletion would store it for a moment
    await host.call("room.delete_message", room_id=room_id, message_id=message["id"])
    assert (await mona.refused("room.react", **react)).code == "NOT_FOUND"
    await mona.call("room.react", room_id=room_id, emoji="🔥")


# ---------------------------------------------------------------------------------------------- hidden users


async def test_a_user_who_blocks_the_caller_looks_like_a_missing_user(person):
    alice, eve = await person("alice"), await person("eve")
    await alice.call("graph.block", user_id=eve.id)
    circle = await eve.call("circle.create", name="c")
    room_id = await open_room(eve)
    in_channel = {"room_id": room_id}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("user.get", {}), ("graph.follow", {}), ("graph.unfollow", {}), ("graph.accept", {}), ("graph.reject", {}),
        ("graph.followers", {}), ("graph.following", {}), ("graph.mute", {}), ("graph.unmute", {}), ("post.list", {}),
        ("room.set_role", {**in_channel, "role": "speaker"}), ("room.set_role", {**in_channel, "role": "listener"}),
        ("room.transfer_host", in_channel), ("room.mute", {**in_channel, "muted": True}), ("room.kick", in_channel),
        ("room.ban", in_channel), ("room.unban", in_channel), ("graph.block", {}), ("graph.unblock", {}),
    ]  # fmt: skip
    for method, arguments in calls:
        answers = [await outcome(eve, method, user_id=user_id, **arguments) for user_id in (alice.id, NOBODY)]
        assert answers[0] == answers[1], method
    lists: list[tuple[str, dict[str, Any]]] = [
        ("user.list", {}), ("circle.add", {"circle_id": circle["id"]}), ("circle.remove", {"circle_id": circle["id"]}),
        ("room.invite", in_channel), ("presence.unwatch", {}),
    ]  # fmt: skip
    for method, arguments in lists:
        answers = [await outcome(eve, method, user_ids=[user_id], **arguments) for user_id in (alice.id, NOBODY)]
        assert answers[0] == answers[1], method
    shown = [(await eve.call("presence.watch", user_ids=[user_id]))["items"][0] for user_id in (alice.id, NOBODY)]
    assert shown[0] | {"user_id": ""} == shown[1] | {"user_id": ""}


async def test_a_user_can_block_a_user_who_blocks_them(person):
    alice, eve = await person("alice"), await person("eve")
    await alice.call("graph.block", user_id=eve.id)
    await eve.call("graph.block", user_id=alice.id)
    await alice.call("graph.unblock", user_id=eve.id)
    assert (await eve.call("user.get", user_id=alice.id))["viewer"]["blocks"] is True
    assert (await alice.refused("user.get", user_id=eve.id)).code == "NOT_FOUND"


@pytest.mark.parametrize("hiding", ["graph.block", "graph.mute"])
async def test_the_deletion_of_a_hidden_message_is_not_pushed(cluster, person, hiding):
    host, mona, omar = [await person(name) for name in ("host", "mona", "omar")]
    room_id = await open_room(host)
    await mona.call(hiding, user_id=omar.id)
    for each in (mona, omar):
        await each.call("room.join", room_id=room_id)
    await cluster.settle(mona)
    message = await omar.call("room.send", room_id=room_id, text="can you hear me?")
    await host.call("room.delete_message", room_id=room_id, message_id=message["id"])
    await host.expect("room.message_deleted", message_id=message["id"])
    await cluster.settle(mona)
    assert not mona.heard("room.message_deleted")


@pytest.mark.parametrize("field", ["topic", "capacity", "slow_mode_s"])
async def test_null_does_not_clear_fields_of_a_room(person, field):
    host = await person("host")
    room = await host.call("room.create", topic="ليلة الكشري")
    refused = await host.refused("room.update", room_id=room["id"], version=1, **{field: None})
    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", [field])


async def test_sessions_and_circles_page(cluster: Cluster, person):
    alice = await person("alice")
    await cluster.tokens([alice.name] * 4)
    for number in range(5):
        await alice.call("circle.create", name=f"c{number}")
    for method in ("session.list", "circle.list"):
        found, cursor, pages = [], None, 0
        while pages == 0 or cursor:
            page = await alice.call(method, limit=2, cursor=cursor)
            found += [int(item["id"]) for item in page["items"]]
            cursor, pages = page["next_cursor"], pages + 1
        assert (found, len(set(found)), pages) == (sorted(found, reverse=True), 5, 3), method


# ---------------------------------------------------------------------------------------------- concurrent calls


async def test_eighty_concurrent_calls_create_fifty_circles(cluster: Cluster, person):
    alice = await person("alice")
    devices = [alice, *[await cluster.again(alice, node="ab"[number % 2]) for number in range(15)]]
    answers = await asyncio.gather(
        *(device.answer("circle.create", {"name": "one more"}) for device in devices for _ in range(5))
    )
    assert sum(answer["ok"] for answer in answers) == 50
    assert {answer["error"]["code"] for answer in answers if not answer["ok"]} == {"FAILED_PRECONDITION"}
    owner = await cluster.owner()
    assert await owner.fetchval("SELECT count(*) FROM circles WHERE owner_id = $1", int(alice.id)) == 50
    await owner.close()


async def test_the_size_of_a_circle_is_bounded(cluster: Cluster, person):
    alice = await person("alice")
    other = await cluster.again(alice, node="b")
    names = [cluster.unique("friend") for _ in range(520)]
    await cluster.tokens(names)
    owner = await cluster.owner()
    friends = [
        str(row["id"]) for row in await owner.fetch("SELECT id FROM users WHERE username = ANY ($1) ORDER BY id", names)
    ]
    await owner.close()
    circle = await alice.call("circle.create", name="big")
    for start in range(0, 400, 100):
        await alice.call("circle.add", circle_id=circle["id"], user_ids=friends[start : start + 100])
    answers = await asyncio.gather(
        alice.answer("circle.add", {"circle_id": circle["id"], "user_ids": friends[400:460]}),
        other.answer("circle.add", {"circle_id": circle["id"], "user_ids": friends[460:520]}),
    )
    assert sorted(answer["ok"] for answer in answers) == [False, True]
    await alice.call("circle.add", circle_id=circle["id"], user_ids=friends[:40])
    [listed] = (await alice.call("circle.list"))["items"]
    assert len(listed["members"]) == 460


async def test_follows_while_an_account_opens_and_closes(cluster: Cluster, person):
    """Each follow gets the status that fits the account at that moment: none stays pending, none is active wrongly."""
    star = await person("star")
    fans = [await person(f"fan{number}", node="ab"[number % 2]) for number in range(36)]
    for is_private in (False, True, False):
        await star.call("user.update", is_private=not is_private)
        followed = [asyncio.create_task(fan.call("graph.follow", user_id=star.id)) for fan in fans]
        await asyncio.sleep(0)
        changed = await star.call("user.update", is_private=is_private)
        after = await fans[0].call("user.get", user_id=star.id)
        await asyncio.gather(*followed)
        pending = await pending_follows(cluster, star)
        if is_private:
            # Follows from before the closing are active, and all later ones pending.
            assert pending + (await star.call("user.me"))["follower_count"] == len(fans)
        else:
            assert pending == 0
            assert (await star.call("user.me"))["follower_count"] == len(fans)
        assert changed["is_private"] == after["is_private"] == is_private
        for fan in fans:
            await fan.call("graph.unfollow", user_id=star.id)


async def test_a_follow_concurrent_with_closing_an_account_is_pending(cluster: Cluster, person):
    star, fan = await person("star"), await person("fan", node="b")
    owner = await cluster.owner()
    transaction = owner.transaction()
    await transaction.start()  # the closing of the account is not committed yet
    await owner.execute("SELECT hold('privacy', $1)", int(star.id))
    await owner.execute("UPDATE users SET is_private = true WHERE id = $1", int(star.id))
    following = asyncio.create_task(fan.call("graph.follow", user_id=star.id))
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    watcher = await cluster.owner()
    assert await soon(lambda: watcher.fetchval(waiting), 1) == 1
    await transaction.commit()
    assert await following == {"status": "pending"}
    await watcher.close()
    await owner.close()


async def test_following_again_repairs_a_stale_request(cluster: Cluster, person):
    star, fan = await person("star"), await person("fan", node="b")
    await star.call("user.update", is_private=True)
    assert await fan.call("graph.follow", user_id=star.id) == {"status": "pending"}
    owner = await cluster.owner()  # as if the account had been opened concurrently with the request
    await owner.execute("UPDATE users SET is_private = false WHERE id = $1", int(star.id))
    await owner.close()
    assert await fan.call("graph.follow", user_id=star.id) == {"status": "active"}
    await star.expect("graph.followed")
    assert (await star.call("user.me"))["follower_count"] == 1
    assert await fan.call("graph.follow", user_id=star.id) == {"status": "active"}


async def pending_follows(cluster: Cluster, star: Person) -> int:
    owner = await cluster.owner()
    try:
        return await owner.fetchval(
            "SELECT count(*) FROM follows WHERE followee_id = $1 AND status = 'pending'", int(star.id)
        )
    finally:
        await owner.close()


# ---------------------------------------------------------------------------------------------- strangers


async def test_invitations_are_counted_by_new_recipients(person, node):
    limited = await node(limit_invite="5/hour")
    host, guests = await person("host", node=limited), [await person(f"guest{number}") for number in range(7)]
    room_id = (await host.call("room.create", topic="spam", visibility="private"))["id"]
    ids = [guest.id for guest in guests]
    await host.call("room.invite", room_id=room_id, user_ids=ids[:3])
    await host.call("room.invite", room_id=room_id, user_ids=ids[:3])  # no new recipient
    refused = await host.refused("room.invite", room_id=room_id, user_ids=ids[3:])
    assert (refused.code, refused.error["retry_after_ms"] > 0) == ("RESOURCE_EXHAUSTED", True)
    await host.call("room.invite", room_id=room_id, user_ids=ids[3:5])
    assert (await guests[6].refused("room.get", room_id=room_id)).code == "NOT_FOUND"


async def test_invitations_from_strangers_are_bounded_per_day(cluster: Cluster, person):
    mona, friend = await person("mona"), await person("friend")
    hosts = [await person(f"host{number}", node="ab"[number % 2]) for number in range(12)]
    rooms = [
        (host, (await host.call("room.create", topic="spam", visibility="private"))["id"])
        for host in hosts
        for _ in range(2)
    ]
    await asyncio.gather(*(host.call("room.invite", room_id=room, user_ids=[mona.id]) for host, room in rooms))
    await cluster.settle(mona)
    assert len(mona.heard("room.invited")) == 20
    assert len([None for room in rooms if (await mona.answer("room.get", {"room_id": room[1]}))["ok"]]) == 20
    await mona.call("graph.follow", user_id=friend.id)
    welcome = (await friend.call("room.create", topic="tea", visibility="private"))["id"]
    await friend.call("room.invite", room_id=welcome, user_ids=[mona.id])
    await mona.expect("room.invited")


async def test_an_edit_notifies_and_counts_new_mentions(cluster: Cluster, person, node):
    limited = await node(limit_mention="3/hour")
    alice = await person("alice", node=limited)
    bob, carol, dora, eve = [await person(name) for name in ("bob", "carol", "dora", "eve")]
    post = await alice.call("post.create", text=f"hello @{bob.name} @{alice.name}")
    await bob.expect("feed.added", post_id=post["id"])
    # The push of a post is sent once within 15 minutes: forget its id.
    await forget_pushes(cluster, bob)
    await alice.call("post.edit", post_id=post["id"], version=1, text=f"hello @{bob.name} @{carol.name}")
    await carol.expect("feed.added", post_id=post["id"])
    await cluster.settle(bob)
    assert bob.heard("feed.added") == []
    two_more = f"hello @{bob.name} @{carol.name} @{dora.name} @{eve.name}"
    assert (await alice.refused("post.edit", post_id=post["id"], version=2, text=two_more)).code == "RESOURCE_EXHAUSTED"
    await alice.call("post.edit", post_id=post["id"], version=2, text=f"hello @{dora.name}")
    await dora.expect("feed.added", post_id=post["id"])
    assert (await alice.refused("post.create", text=f"and @{eve.name}")).code == "RESOURCE_EXHAUSTED"
    await alice.call("post.create", text="nobody is named")


async def forget_pushes(cluster: Cluster, person: Person) -> None:
    """Make the invitations look old."""
    stores = cluster.stores
    await stores.shards.call(
        stores.redis_keys.shard_of_user(int(person.id)), "DEL", stores.redis_keys.inbox(int(person.id))
    )


# ---------------------------------------------------------------------------------------------- suspension


@pytest.mark.parametrize(("by", "restored_by"), [("command", "command"), ("sql", "sql"), ("sql", "command")])
async def test_a_suspension_closes_all_sockets_also_when_made_by_sql(cluster: Cluster, person, by, restored_by):
    alice, answer = await register(cluster, node="a")
    other = await cluster.again(alice, node="b", kind="python-json")
    owner = await cluster.owner()
    change = "UPDATE users SET status = $2 WHERE id = $1"
    if by == "command":
        assert await decisions.suspend(owner, int(alice.id))
        assert not await decisions.suspend(owner, int(alice.id))
    else:
        await owner.execute(change, int(alice.id), "suspended")
    for socket in (alice, other):
        assert (await socket.expect("session.revoked"))["reason"] == "suspended"
        await socket.happened("disconnect")
    guest = await cluster.guest()
    refresh = {"refresh_token": answer["refresh_token"]}
    assert (await guest.refused("auth.refresh", **refresh)).code == "UNAUTHENTICATED"
    login = {"email": f"{alice.name}@example.org", "password": PASSWORD}
    assert (await guest.call("auth.login", **login))["is_restricted"]
    if restored_by == "command":
        assert await decisions.unsuspend(owner, int(alice.id))
        assert not await decisions.unsuspend(owner, int(alice.id))
    else:
        await owner.execute(change, int(alice.id), "active")
    again = await cluster.guest()
    assert (await again.refused("auth.refresh", **refresh)).code == "UNAUTHENTICATED"
    signed_in = await again.call("auth.login", **login)
    assert (signed_in["user"]["id"], signed_in["is_restricted"]) == (alice.id, False)
    rows = await owner.fetch(
        """SELECT action, (changes ->> 'ended_sessions')::integer AS ended FROM audit
        WHERE resource = $1 OR action LIKE 'decision.%' AND changes ->> 'user_id' = $2 ORDER BY id""",
        f"user:{alice.id}", alice.id,
    )  # fmt: skip
    await owner.close()
    assert [(row["action"], row["ended"]) for row in rows] == (
        [("decision.make", None), ("decision.end", None)]
        if by == "command"
        else [("user.status", 2), ("user.status", 0)]
    )
