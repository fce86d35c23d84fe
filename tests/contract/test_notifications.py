"""Notifications, as users get them: what happens to them is pushed, listed, grouped, seen, read and explained."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from channels.broadcaster import Broadcaster
from protocol.events import SessionsEndedEvent
from tests.cluster import Cluster
from tests.conftest import PersonFactory
from tests.contract.test_auth import PASSWORD, register
from tests.contract.test_live_rooms import open_room
from tests.people import Person
from workers.job import Job
from workers.notification_causes import notify_of_new_password


async def notified(person: Person, **fields: object) -> dict:
    """Wait until the person's client gets a notification with these fields."""
    while True:
        found = (await person.expect("notification.created"))["notification"]
        if all(found[name] == value for name, value in fields.items()):
            return found


async def listed(person: Person) -> list[dict]:
    return (await person.call("notification.list"))["items"]


async def test_a_follow_is_pushed_counted_and_listed(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    await bob.call("graph.follow", user_id=alice.id)
    pushed = await notified(alice, kind="follow")
    assert (await alice.expect("notification.counted"))["unseen_count"] == 1
    assert [actor["id"] for actor in pushed["actors"]] == [bob.id]
    assert pushed["target"] == {"type": "user", "id": alice.id}
    assert (pushed["actor_count"], pushed["seen"], pushed["read"]) == (1, False, False)
    assert bob.name in pushed["text"]
    page = await alice.call("notification.list")
    assert page == {"items": [pushed], "unseen_count": 1, "next_cursor": None}
    assert await listed(bob) == []


async def test_follows_are_grouped_until_they_are_seen(cluster: Cluster, person):
    alice, bob, carol, dina = [await person(name) for name in ("alice", "bob", "carol", "dina")]
    for follower in (bob, carol):
        await follower.call("graph.follow", user_id=alice.id)
        await notified(alice)
    [group] = await listed(alice)
    assert [actor["id"] for actor in group["actors"]] == [carol.id, bob.id]
    seen = await alice.call("notification.mark_seen", up_to_id=group["id"])
    assert seen == {"unseen_count": 0}
    await dina.call("graph.follow", user_id=alice.id)
    await notified(alice)
    assert [(each["actor_count"], each["seen"]) for each in await listed(alice)] == [(1, False), (2, True)]


async def test_a_repeated_follow_is_quiet(cluster: Cluster, person):
    """The follower leaves the notification with each end of the follow, and returns to it."""
    alice, bob = await person("alice"), await person("bob")
    for _ in range(3):
        await bob.call("graph.follow", user_id=alice.id)
        await cluster.settle()
        assert [each["actor_count"] for each in await listed(alice)] == [1]
        await bob.call("graph.unfollow", user_id=alice.id)
        await cluster.settle()
        assert await listed(alice) == []
    await cluster.settle(alice)
    assert len(alice.heard("notification.created")) == 1


async def test_an_ended_follow_leaves_the_others_in_the_group(cluster: Cluster, person):
    alice, bob, carol, dina = [await person(name) for name in ("alice", "bob", "carol", "dina")]
    for follower in (bob, carol, dina):
        await follower.call("graph.follow", user_id=alice.id)
        await notified(alice)
    await carol.call("graph.unfollow", user_id=alice.id)
    await bob.call("graph.block", user_id=alice.id)
    await cluster.settle()
    await bob.call("graph.unblock", user_id=alice.id)
    await cluster.settle()
    [group] = await listed(alice)
    assert (group["actor_count"], [actor["id"] for actor in group["actors"]]) == (1, [dina.id])
    await dina.call("graph.unfollow", user_id=alice.id)
    await alice.expect("notification.counted", unseen_count=0)
    assert await listed(alice) == []
    await carol.call("graph.follow", user_id=alice.id)
    await alice.expect("notification.counted", unseen_count=1)


async def test_an_open_list_shows_what_is_withdrawn_and_returns(cluster: Cluster, person):
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    post = await alice.call("post.create", text="hello")
    target = {"target_type": "post", "target_id": post["id"]}
    for actor in (bob, carol):
        await actor.call("reaction.set", **target, kind="like")
        await cluster.settle()
    await bob.call("reaction.unset", **target)
    changed = (await alice.expect("notification.changed"))["notification"]
    assert [changed] == await listed(alice)
    assert (changed["actor_count"], [actor["id"] for actor in changed["actors"]]) == (1, [carol.id])
    await carol.call("reaction.unset", **target)
    assert (await alice.expect("notification.removed"))["ids"] == [changed["id"]]
    await bob.call("reaction.set", **target, kind="love")
    back = (await alice.expect("notification.changed"))["notification"]
    assert [back] == await listed(alice)
    assert [actor["id"] for actor in back["actors"]] == [bob.id]


async def test_a_block_takes_the_follow_out_of_an_open_list(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.follow", user_id=alice.id)
    told = await notified(alice, kind="follow")
    await bob.call("graph.block", user_id=alice.id)
    assert (await alice.expect("notification.removed"))["ids"] == [told["id"]]


async def test_what_a_policy_keeps_back_changes_without_a_push(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    await alice.call("notification.set_preferences", strangers="filter")
    await bob.call("graph.follow", user_id=alice.id)
    await cluster.settle()
    await bob.call("graph.unfollow", user_id=alice.id)
    await cluster.settle(alice)
    assert alice.heard("notification.removed") == alice.heard("notification.counted") == []
    assert (await alice.call("notification.filtered"))["items"] == []


async def test_requests_and_acceptances(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    await alice.call("user.update", is_private=True)
    await bob.call("graph.follow", user_id=alice.id)
    request = await notified(alice, kind="follow_request")
    assert [actor["id"] for actor in request["actors"]] == [bob.id]
    await alice.call("graph.accept", user_id=bob.id)
    accepted = await notified(bob, kind="acceptance")
    assert accepted["target"] == {"type": "user", "id": alice.id}


async def test_mentions_in_new_and_edited_posts(cluster: Cluster, person):
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    post = await alice.call("post.create", text=f"@{bob.name} @{alice.name}")
    mention = await notified(bob, kind="mention")
    assert mention["target"] == {"type": "post", "id": post["id"]}
    await alice.call("post.edit", post_id=post["id"], version=1, text=f"@{bob.name} @{carol.name}")
    await notified(carol, kind="mention")
    await cluster.settle(alice, bob)
    assert bob.heard("notification.created") == alice.heard("notification.created") == []
    await alice.call("post.delete", post_id=post["id"])
    assert await listed(bob) == await listed(carol) == []
    assert (await bob.call("notification.list"))["unseen_count"] == 0


@pytest.mark.parametrize("visibility", ["followers", "private"])
async def test_a_mention_in_a_post_that_the_user_may_not_see_is_not_told(cluster: Cluster, person, visibility):
    alice, bob = await person("alice"), await person("bob")
    await alice.call("post.create", text=f"@{bob.name}", visibility=visibility)
    await cluster.settle(bob)
    assert bob.heard("notification.created") == await listed(bob) == []


async def test_live_rooms_invitations_and_digests(cluster: Cluster, person):
    host, fan, guest = [await person(name) for name in ("host", "fan", "guest")]
    await fan.call("graph.follow", user_id=host.id)
    await notified(host, kind="follow")
    room_id = await open_room(host)
    live = await notified(fan, kind="room_live")
    assert live["target"] == {"type": "room", "id": room_id}
    await host.call("room.invite", room_id=room_id, user_ids=[guest.id])
    await notified(guest, kind="room_invitation")
    await guest.call("room.join", room_id=room_id)
    await host.call("room.close", room_id=room_id)
    digest = await notified(guest, kind="digest")
    assert (digest["actors"], digest["actor_count"]) == ([], 0)
    assert digest["target"] == {"type": "room", "id": room_id}


async def test_a_room_that_followers_may_not_see_is_not_told(cluster: Cluster, person):
    host, fan = await person("host"), await person("fan")
    await fan.call("graph.follow", user_id=host.id)
    room = await host.call("room.create", topic="ليلة الكشري", visibility="private")
    await host.call("room.start", room_id=room["id"])
    await cluster.settle(fan)
    assert fan.heard("notification.created") == []


async def test_a_sign_in_on_a_new_device_and_a_new_password(cluster: Cluster, person):
    alice, _ = await register(cluster, device={"fingerprint": "phone"})
    login = {"email": f"{alice.name}@example.org", "password": PASSWORD}
    guest = await cluster.guest()
    await guest.call("auth.login", **login, device={"fingerprint": "phone"})
    await cluster.settle(alice)
    assert alice.heard("notification.created") == []
    guest = await cluster.guest()
    signed_in = await guest.call("auth.login", **login, device={"fingerprint": "laptop", "name": "Laptop"})
    told = await notified(alice, kind="security")
    assert told["target"] == {"type": "session", "id": signed_in["session_id"]}
    await alice.call("auth.change_password", old_password=PASSWORD, new_password="another password")
    told = await notified(alice, kind="security")
    assert told["target"]["type"] == "password"


async def test_what_one_device_did_is_pushed_to_the_others(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    other = await cluster.again(alice, node="b")
    post = await bob.call("post.create", text=f"@{alice.name}")
    mention = await notified(alice, kind="mention")
    await notified(other, kind="mention")
    assert post["id"] == mention["target"]["id"]
    await alice.call("notification.mark_read", ids=[mention["id"]])
    assert (await other.expect("notification.dismissed"))["ids"] == [mention["id"]]
    await other.expect("notification.counted", unseen_count=0)
    [item] = (await other.call("notification.list"))["items"]
    assert item["seen"]
    assert item["read"]
    chosen = await alice.call("notification.set_preferences", strangers="filter")
    pushed = await other.expect("notification.preferences_changed")
    assert pushed["preferences"] == chosen


@pytest.mark.parametrize("how", ["alice blocks", "bob blocks", "alice mutes"])
async def test_users_who_hide_each_other(cluster: Cluster, person, how):
    """Nothing new is told, and what was told before is hidden, also from the count."""
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    for actor in (bob, carol):
        await actor.call("post.create", text=f"@{alice.name}")
        await actor.call("graph.follow", user_id=alice.id)
    await cluster.settle(alice)
    assert (await alice.call("notification.list"))["unseen_count"] == 3
    if how == "bob blocks":
        await bob.call("graph.block", user_id=alice.id)
    else:
        await alice.call("graph.block" if how == "alice blocks" else "graph.mute", user_id=bob.id)
    await alice.expect("notification.counted", unseen_count=2)
    page = await alice.call("notification.list")
    assert page["unseen_count"] == 2
    shown = [(each["kind"], each["actor_count"], [actor["id"] for actor in each["actors"]]) for each in page["items"]]
    assert sorted(shown) == [("follow", 1, [carol.id]), ("mention", 1, [carol.id])]
    await cluster.settle(alice)
    before = len(alice.heard("notification.created"))
    await bob.call("post.create", text=f"@{alice.name} again")
    await cluster.settle(alice)
    assert len(alice.heard("notification.created")) == before


async def test_a_policy_keeps_strangers_back(cluster: Cluster, person):
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    await alice.call("notification.set_preferences", strangers="filter")
    for actor in (bob, carol):
        await actor.call("post.create", text=f"@{alice.name}")
    await cluster.settle(alice)
    assert alice.heard("notification.created") == await listed(alice) == []
    newer, older = (await alice.call("notification.filtered"))["items"]
    other = await cluster.again(alice, node="b")
    for _ in range(2):
        assert await alice.call("notification.accept_filtered", ids=[older["id"]]) == {"unseen_count": 1}
    assert [await notified(other)] == await listed(alice) == [older]
    await cluster.settle(other)
    assert other.heard("notification.created") == []
    assert await alice.call("notification.dismiss_filtered", ids=[newer["id"]]) == {"unseen_count": 1}
    assert (await alice.call("notification.filtered"))["items"] == []


@pytest.mark.parametrize("channel", ["socket", "push", "email"])
async def test_what_tells_of_a_thief_cannot_be_switched_off(person, channel: str):
    alice = await person("alice")
    refused = await alice.refused("notification.set_preferences", channels={"security": {channel: False}})
    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", [f"channels.security.{channel}"])
    found = await alice.call("notification.set_preferences", channels={"security": {channel: True}})
    assert found["channels"]["security"] == {"socket": True, "push": True, "email": True}


async def test_preferences_are_merged_and_cleared(person):
    alice = await person("alice")
    first = await alice.call("notification.preferences")
    assert first["channels"]["reply"] == {"socket": True, "push": True, "email": False}
    assert first["channels"]["security"] == {"socket": True, "push": True, "email": True}
    assert (first["quiet_hours"], first["ungrouped"]) == (None, [])
    await alice.call("notification.set_preferences", channels={"reply": {"push": False}})
    await alice.call("notification.set_preferences", channels={"reply": {"email": True}}, ungrouped=["follow"])
    await alice.call("notification.set_preferences", quiet_hours={"start": "22:30", "end": "07:00"})
    found = await alice.call("notification.preferences")
    assert found["channels"]["reply"] == {"socket": True, "push": False, "email": True}
    assert found["quiet_hours"] == {"start": "22:30", "end": "07:00"}
    assert found["ungrouped"] == ["follow"]
    cleared = await alice.call("notification.set_preferences", quiet_hours=None)
    assert cleared == {**found, "quiet_hours": None} == await alice.call("notification.preferences")


@pytest.mark.parametrize(
    ("preferences", "field"),
    [
        ({"quiet_hours": {"start": "22:30", "end": "22:30"}}, "quiet_hours.end"),
        ({"quiet_hours": {"start": "24:00", "end": "07:00"}}, "quiet_hours.start"),
        ({"quiet_hours": {"start": "7:00", "end": "08:00"}}, "quiet_hours.start"),
        ({"channels": {"reply": {"fax": True}}}, "channels.reply.fax"),
        ({"channels": {"gossip": {"push": True}}}, "channels.gossip"),
        ({"strangers": "maybe"}, "strangers"),
        ({"ungrouped": ["reply"]}, "ungrouped[0]"),
    ],
)
async def test_bad_preferences_are_refused_and_change_nothing(person, preferences, field):
    alice = await person("alice")
    before = await alice.call("notification.preferences")
    refused = await alice.refused("notification.set_preferences", **{"new_accounts": "drop", **preferences})
    assert refused.code == "INVALID_ARGUMENT"
    assert refused.fields == [field]
    assert await alice.call("notification.preferences") == before


async def test_a_socket_that_a_user_turned_off_stays_quiet(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    await alice.call("notification.set_preferences", channels={"follow": {"socket": False}})
    for act in ("graph.follow", "graph.unfollow", "graph.follow"):
        await bob.call(act, user_id=alice.id)
        await cluster.settle(alice)
    for push in ("created", "changed", "removed"):
        assert alice.heard(f"notification.{push}") == []
    [item] = await listed(alice)
    why = (await alice.call("notification.why", id=item["id"]))["decisions"]
    assert [(each["channel"], each["decision"], each["reason"]) for each in why] == [
        ("socket", "dropped", "turned off in the preferences"),
        ("push", "dropped", "no device is registered"),
        ("email", "dropped", "turned off in the preferences"),
    ]


async def test_nobody_reads_the_notifications_of_another_user(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.follow", user_id=alice.id)
    told = await notified(alice)
    assert (await bob.refused("notification.why", id=told["id"])).code == "NOT_FOUND"
    await bob.call("notification.mark_seen", up_to_id=told["id"])
    await bob.call("notification.mark_read", ids=[told["id"]])
    [item] = await listed(alice)
    assert not item["seen"]


async def test_pages_follow_each_other(cluster: Cluster, person):
    alice, *others = [await person(name) for name in ("alice", "bob", "carol", "dina", "eman")]
    for actor in others:
        await actor.call("post.create", text=f"@{alice.name}")
        await notified(alice)
    everything = await listed(alice)
    first = await alice.call("notification.list", limit=3)
    second = await alice.call("notification.list", limit=3, cursor=first["next_cursor"])
    assert first["items"] + second["items"] == everything
    assert (len(everything), second["next_cursor"]) == (4, None)


class Lost(Broadcaster):
    """A broadcaster of a worker that dies before it publishes."""

    def __init__(self) -> None:
        pass

    async def publish_to_users(self, *_: object, **__: object) -> None:
        raise ConnectionError


@pytest.mark.parametrize("is_repeated", [False, True], ids=["the worker died", "Redis lost the acknowledgement"])
async def test_a_push_that_was_lost_is_repeated_with_the_event(cluster: Cluster, person, is_repeated):
    alice = await person("alice")
    event_id = cluster.stores.ids.mint()
    event = SessionsEndedEvent(user_id=int(alice.id), session_ids=(), reason="password_changed")
    tools = cluster.workers.tools
    with pytest.raises(ConnectionError):
        await notify_of_new_password(Job(event_id, replace(tools, broadcaster=Lost())), event)
    assert alice.heard("notification.created") == []
    for _ in range(2):
        await notify_of_new_password(Job(event_id, tools, is_repeated=is_repeated), event)
    await cluster.settle(alice)
    assert len(alice.heard("notification.created")) == len(await listed(alice)) == 1


async def test_a_replay_of_all_events_creates_nothing_and_pushes_nothing(cluster: Cluster, person):
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    for actor in (bob, carol):
        await actor.call("graph.follow", user_id=alice.id)
        await actor.call("post.create", text=f"@{alice.name}")
    room_id = await open_room(alice)
    await alice.call("room.close", room_id=room_id)
    owner = await cluster.owner()
    event_ids = [row["id"] for row in await owner.fetch("SELECT id FROM outbox")]
    causes = "SELECT * FROM notification_causes WHERE event_id = ANY ($1) ORDER BY user_id, kind, target_id, actor_id"
    await cluster.settle(alice, bob, carol)
    before = await everything_stored(cluster, alice, bob, carol)
    causes_before = await owner.fetch(causes, event_ids)  # also of the events of earlier tests
    pushes = [len(each.heard("notification.created")) for each in (alice, bob, carol)]
    await owner.execute("UPDATE outbox SET sent_batch = NULL, sent_at = NULL")
    await cluster.settle(alice, bob, carol)
    assert await owner.fetch(causes, event_ids) == causes_before
    await owner.close()
    assert await everything_stored(cluster, alice, bob, carol) == before
    assert [len(each.heard("notification.created")) for each in (alice, bob, carol)] == pushes


Change = Callable[[], Awaitable[object]]
Scene = Callable[[Cluster, PersonFactory], Awaitable[tuple[Person, Change]]]


async def muted_posts(cluster: Cluster, person: PersonFactory) -> tuple[Person, Change]:
    alice, bob = await person("alice"), await person("bob")
    await alice.call("graph.mute", user_id=bob.id, kind="posts")
    await bob.call("post.create", text=f"@{alice.name}")
    return alice, lambda: alice.call("graph.unmute", user_id=bob.id)


async def muted_host(cluster: Cluster, person: PersonFactory) -> tuple[Person, Change]:
    host, fan = await person("host"), await person("fan")
    await fan.call("graph.follow", user_id=host.id)
    await fan.call("graph.mute", user_id=host.id, kind="posts")
    await cluster.settle()
    await open_room(host)
    return fan, lambda: fan.call("graph.unmute", user_id=host.id)


async def late_acceptance(cluster: Cluster, person: PersonFactory) -> tuple[Person, Change]:
    host, fan = await person("host"), await person("fan")
    await host.call("user.update", is_private=True)
    await fan.call("graph.follow", user_id=host.id)
    await cluster.settle()
    await open_room(host)
    return fan, lambda: host.call("graph.accept", user_id=fan.id)


async def new_follow(cluster: Cluster, person: PersonFactory) -> tuple[Person, Change]:
    host, late = await person("host"), await person("late")
    await open_room(host)
    return late, lambda: late.call("graph.follow", user_id=host.id)


async def suspension(cluster: Cluster, person: PersonFactory) -> tuple[Person, Change]:
    host, fan = await person("host"), await person("fan")
    await fan.call("graph.follow", user_id=host.id)
    await set_status(cluster, fan, "suspended")
    await open_room(host)
    return fan, lambda: set_status(cluster, fan, "active")


async def group_left_and_entered_again(cluster: Cluster, person: PersonFactory) -> tuple[Person, Change]:
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    for each in (alice, carol):
        await each.call("graph.follow", user_id=bob.id)
    opened = await bob.call("chat.open", user_ids=[alice.id, carol.id])
    chat_id = opened["chat"]["id"]
    await bob.call("chat.set_role", chat_id=chat_id, user_id=carol.id, role="admin")

    async def leave_and_return() -> None:
        await alice.call("chat.leave", chat_id=chat_id)
        await carol.call("chat.add", chat_id=chat_id, user_ids=[alice.id])
        await notified(alice, kind="chat_request")

    return alice, leave_and_return


async def set_status(cluster: Cluster, person: Person, status: str) -> None:
    owner = await cluster.owner()
    await owner.execute("UPDATE users SET status = $2 WHERE id = $1", int(person.id), status)
    await owner.close()


@pytest.mark.parametrize(
    ("scene", "topic"),
    [
        (muted_posts, "post.created"),
        (muted_host, "room.changed"),
        (late_acceptance, "room.changed"),
        (new_follow, "room.changed"),
        (suspension, "room.changed"),
        (group_left_and_entered_again, "chat.changed"),
    ],
)
async def test_a_replay_does_not_tell_a_user_who_was_left_out(cluster: Cluster, person, scene: Scene, topic: str):
    """Whom an event tells is decided when it is handled first, whatever has changed since."""
    left_out, change = await scene(cluster, person)
    await cluster.settle()
    await change()
    await cluster.settle()
    before = await everything_stored(cluster, left_out)
    await replay(cluster, topic)
    await cluster.settle()
    assert await everything_stored(cluster, left_out) == before


async def replay(cluster: Cluster, topic: str) -> None:
    owner = await cluster.owner()
    await owner.execute("UPDATE outbox SET sent_batch = NULL, sent_at = NULL WHERE topic = $1", topic)
    await owner.close()


async def everything_stored(cluster: Cluster, *people: Person) -> list[list[tuple]]:
    """Return all that an event can change for these users.

    Users of earlier tests are left out: their live rooms still lose hosts and end, which adds notifications.
    """
    user_ids = [int(person.id) for person in people]
    owner = await cluster.owner()
    try:
        return [
            sorted(
                map(tuple, await owner.fetch(f"SELECT {columns} FROM {table} WHERE user_id = ANY ($1)", user_ids)),
                key=repr,
            )
            for table, columns in (
                ("notifications", "id, user_id, kind, place, group_key, actor_ids, actor_count, updated_at"),
                ("notification_causes", "*"),
                ("notification_deliveries", "notification_id, channel, user_id"),
            )
        ]
    finally:
        await owner.close()


async def test_reactions_to_posts_and_comments(cluster: Cluster, person):
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    post = await alice.call("post.create", text="hello")
    comment = await carol.call("comment.create", post_id=post["id"], text="hi")
    await notified(alice, kind="comment")
    for actor in (bob, carol):
        await actor.call("reaction.set", target_type="post", target_id=post["id"], kind="love")
        await cluster.settle()
    await bob.call("reaction.set", target_type="comment", target_id=comment["id"], kind="like")
    told = await notified(carol, kind="reaction")
    assert told["target"] == {"type": "comment", "id": comment["id"]}
    [group] = [each for each in await listed(alice) if each["kind"] == "reaction"]
    assert [actor["id"] for actor in group["actors"]] == [carol.id, bob.id]
    assert group["target"] == {"type": "post", "id": post["id"]}


async def test_repeated_and_changed_reactions_are_quiet(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    post = await alice.call("post.create", text="hello")
    target = {"target_type": "post", "target_id": post["id"]}
    for kind in ("like", "love", "sad"):
        await bob.call("reaction.set", **target, kind=kind)
        await cluster.settle()
        assert [each["actor_count"] for each in await listed(alice)] == [1]
        await bob.call("reaction.set", **target, kind="angry")
        await bob.call("reaction.unset", **target)
        await cluster.settle()
        assert await listed(alice) == []
    await alice.call("reaction.set", **target, kind="like")
    await cluster.settle(alice)
    assert len(alice.heard("notification.created")) == 1


async def test_shares_are_told_to_an_author_who_may_see_them(cluster: Cluster, person):
    alice, bob, carol = [await person(name) for name in ("alice", "bob", "carol")]
    post = await alice.call("post.create", text="hello")
    await carol.call("user.update", is_private=True)
    await carol.call("share.create", post_id=post["id"])
    for _ in range(2):
        share = await bob.call("share.create", post_id=post["id"])
        await cluster.settle()
    await bob.call("share.create", post_id=post["id"], text=f"@{alice.name}")
    await cluster.settle(alice)
    newer, older = await listed(alice)
    assert newer["kind"] == older["kind"] == "share"
    assert older["target"] == {"type": "post", "id": share["id"]}
    await bob.call("post.delete", post_id=share["id"])
    assert await listed(alice) == [newer]
    await alice.call("share.create", post_id=post["id"])
    await cluster.settle(alice)
    assert await listed(alice) == [newer]


async def test_a_comment_tells_each_user_once(cluster: Cluster, person):
    """The author of the parent, then mentioned users, then the author of the post."""
    alice, bob, carol, dina = [await person(name) for name in ("alice", "bob", "carol", "dina")]
    post = await alice.call("post.create", text="hello")
    first = await bob.call("comment.create", post_id=post["id"], text=f"@{carol.name} @{alice.name}")
    await cluster.settle(alice, bob, carol)
    told = {person: [each["kind"] for each in await listed(person)] for person in (alice, bob, carol)}
    assert told == {alice: ["mention"], bob: [], carol: ["mention"]}
    text = f"@{bob.name} @{alice.name} @{dina.name}"
    reply = await dina.call("comment.create", post_id=post["id"], parent_id=first["id"], text=text)
    await cluster.settle(alice, bob, carol)
    told = {person: [each["kind"] for each in await listed(person)] for person in (alice, bob, carol, dina)}
    assert told == {alice: ["mention", "mention"], bob: ["reply"], carol: ["mention"], dina: []}
    [item] = await listed(bob)
    assert item["target"] == {"type": "comment", "id": reply["id"]}
    await dina.call("comment.delete", comment_id=reply["id"])
    assert await listed(bob) == []


async def test_an_edited_comment_tells_users_whom_it_names_first(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    post = await alice.call("post.create", text="hello")
    comment = await alice.call("comment.create", post_id=post["id"], text="hi")
    await alice.call("comment.edit", comment_id=comment["id"], text=f"hi @{bob.name}")
    await notified(bob, kind="mention")


async def test_a_request_that_was_withdrawn_is_not_listed(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    await alice.call("user.update", is_private=True)
    await bob.call("graph.follow", user_id=alice.id)
    await notified(alice, kind="follow_request")
    await bob.call("graph.unfollow", user_id=alice.id)
    assert await listed(alice) == []


async def test_a_mention_in_a_post_for_followers_is_told_to_a_follower(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    await bob.call("graph.follow", user_id=alice.id)
    await alice.call("post.create", text=f"@{bob.name}", visibility="followers")
    await notified(bob, kind="mention")
    await bob.call("graph.unfollow", user_id=alice.id)
    assert await listed(bob) == []
