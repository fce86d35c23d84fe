"""Each writing call is repeated, as by a client that lost the first answer: the repetition must succeed."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from protocol.rpc import methods
from tests.cluster import Cluster
from tests.contract.moderators import appoint, reported
from tests.contract.test_auth import PASSWORD, register
from tests.contract.test_chats import create_group
from tests.contract.test_email_codes import CODE_METHODS
from tests.contract.test_live_rooms import open_room
from tests.contract.test_second_factors import SECOND_FACTOR_METHODS
from tests.people import Person
from tests.uploads import begin, png, send

KEY = {"idempotency_key": "a key"}


class World:
    """Alice, who calls; Bob, the target; and the objects that they share."""

    def __init__(self, cluster: Cluster, alice: Person, bob: Person) -> None:
        self.cluster = cluster
        self.alice = alice
        self.bob = bob

    async def post(self) -> dict[str, Any]:
        return {"post_id": (await self.alice.call("post.create", text="hello"))["id"]}

    async def comment(self) -> dict[str, Any]:
        comment = await self.alice.call("comment.create", **await self.post(), text="hello")
        return {"comment_id": comment["id"]}

    async def target(self) -> dict[str, Any]:
        return {"target_type": "post", "target_id": (await self.post())["post_id"]}

    async def reacted(self) -> dict[str, Any]:
        target = await self.target()
        await self.alice.call("reaction.set", **target, kind="like")
        return target

    async def others_post(self) -> dict[str, Any]:
        post = await self.bob.call("post.create", text="hello")
        return {"target_type": "post", "target_id": post["id"]}

    async def report(self) -> dict[str, Any]:
        report = await self.alice.call("report.create", **await self.others_post(), reason="spam")
        return {"report_id": report["id"]}

    async def case(self) -> dict[str, Any]:
        """A case for Alice, who becomes a moderator."""
        await appoint(self.cluster, self.alice)
        post = await self.others_post()
        reporter = await self.cluster.person("reporter")
        case_id = await reported(self.cluster, reporter, post["target_type"], post["target_id"])
        await self.cluster.settle()  # Workers count the report.
        return {"case_id": case_id}

    async def moderation(self) -> dict[str, Any]:
        await appoint(self.cluster, self.alice)
        return {}

    async def circle(self) -> dict[str, Any]:
        return {"circle_id": (await self.alice.call("circle.create", name="friends"))["id"]}

    async def members(self) -> dict[str, Any]:
        return {**await self.circle(), "user_ids": [self.bob.id]}

    async def scheduled(self) -> dict[str, Any]:
        room = await self.alice.call("room.create", topic="ليلة الكشري")
        return {"room_id": room["id"], "version": room["version"]}

    async def live(self) -> dict[str, Any]:
        """Open a room that both have joined."""
        room_id = await open_room(self.alice)
        await self.bob.call("room.join", room_id=room_id)
        return {"room_id": room_id}

    async def on_bob(self) -> dict[str, Any]:
        return {**await self.live(), "user_id": self.bob.id}

    async def on_bob_at_version(self) -> dict[str, Any]:
        arguments = await self.on_bob()
        room = await self.alice.call("room.get", room_id=arguments["room_id"])
        return {**arguments, "version": room["version"]}

    async def asked_by_bob(self) -> dict[str, Any]:
        await self.alice.call("user.update", is_private=True)
        await self.bob.call("graph.follow", user_id=self.alice.id)
        return {"user_id": self.bob.id}

    async def searched(self) -> dict[str, Any]:
        await self.alice.call("search.query", q="كشري")
        return {"q": "كشري"}

    async def verification(self) -> dict[str, Any]:
        owner = await self.cluster.owner()
        await owner.execute("UPDATE users SET role = 'admin' WHERE id = $1", int(self.alice.id))
        await owner.execute("INSERT INTO verifications (id, user_id) VALUES ($1, $1)", int(self.bob.id))
        key = f"private/{self.bob.id}/{'a' * 22}/"
        await owner.execute(
            """INSERT INTO media (id, owner_id, kind, status, content_type, filename, size_bytes, object_key,
                target_type, target_id, position)
            VALUES ($1, $1, 'image', 'ready', 'image/webp', 'x', 9, $2, 'verification', $1, 0)""",
            int(self.bob.id), key,
        )  # fmt: skip
        await owner.close()
        return {"verification_id": self.bob.id}

    async def user(self) -> dict[str, Any]:
        return {"user_id": self.bob.id}

    async def users(self) -> dict[str, Any]:
        return {"user_ids": [self.bob.id]}

    async def message(self) -> dict[str, Any]:
        room = await self.live()
        sent = await self.alice.call("room.send", **room, text="hello")
        return {**room, "message_id": sent["id"]}

    async def chat(self) -> dict[str, Any]:
        """Create a group of Alice's with Bob in it."""
        return {"chat_id": await create_group(self.alice, self.bob)}

    async def chat_without_bob(self) -> dict[str, Any]:
        chat = await self.alice.call("chat.create", title="x", user_ids=["1"])
        return {"chat_id": chat["chat"]["id"], "user_ids": [self.bob.id]}

    async def bob_in_chat(self) -> dict[str, Any]:
        return {**await self.chat(), "user_id": self.bob.id}

    async def chat_message(self) -> dict[str, Any]:
        chat = await self.chat()
        return {**chat, "seq": (await self.alice.call("chat.send", **chat, text="hello"))["seq"]}

    async def chat_with_message(self) -> dict[str, Any]:
        return {"chat_id": (await self.chat_message())["chat_id"]}

    async def chat_request(self) -> dict[str, Any]:
        return {"chat_id": (await self.bob.call("chat.open", user_ids=[self.alice.id]))["chat"]["id"]}

    async def session(self) -> dict[str, Any]:
        await self.cluster.again(self.alice)
        [other] = [item for item in (await self.alice.call("session.list"))["items"] if not item["current"]]
        return {"session_id": other["id"]}

    async def notified(self) -> str:
        """Return the id of Alice's notification that Bob follows her."""
        await self.bob.call("graph.follow", user_id=self.alice.id)
        told: str = (await self.alice.expect("notification.created"))["notification"]["id"]
        return told

    async def up_to(self) -> dict[str, Any]:
        return {"up_to_id": await self.notified()}

    async def notifications(self) -> dict[str, Any]:
        return {"ids": [await self.notified()]}

    async def kept_back(self) -> dict[str, Any]:
        await self.alice.call("notification.set_preferences", strangers="filter")
        await self.bob.call("graph.follow", user_id=self.alice.id)
        await self.cluster.settle()
        [item] = (await self.alice.call("notification.filtered"))["items"]
        return {"ids": [item["id"]]}

    async def watched(self) -> dict[str, Any]:
        post = await self.post()
        await self.alice.call("post.watch", **post)
        return post

    async def collection(self) -> dict[str, Any]:
        return {"collection_id": (await self.alice.call("collection.create", name="recipes"))["id"]}

    async def saved(self) -> dict[str, Any]:
        post = await self.post()
        await self.alice.call("save.add", **post)
        return post

    async def viewed(self) -> dict[str, Any]:
        return {"views": [{**await self.post(), "dwell_ms": 100}]}

    async def upload(self) -> dict[str, Any]:
        return {"media_id": (await begin(self.alice, png(100)))["media_id"]}

    async def sent(self) -> dict[str, Any]:
        begun = await begin(self.alice, png(100))
        await send(begun, png(100))
        return {"media_id": begun["media_id"]}

    async def rule(self) -> dict[str, Any]:
        """Save a rule that hits nothing; Alice becomes an admin."""
        await self.ruling()
        rule = {"name": "x", "surfaces": ["room"], "expression": "false", "outcome": "hold", "reason": "spam"}
        return {"rule_id": (await self.alice.call("rule.save", **rule))["rule_id"]}

    async def rule_at_version(self) -> dict[str, Any]:
        return {**await self.rule(), "version": 1}

    async def ruling(self) -> dict[str, Any]:
        """Make Alice an admin."""
        owner = await self.cluster.owner()
        await owner.execute("UPDATE users SET role = 'admin' WHERE id = $1", int(self.alice.id))
        await owner.close()
        return {}

    async def new_list(self) -> dict[str, Any]:
        await self.ruling()
        return {"name": "list_of_" + self.alice.id}

    async def nothing(self) -> dict[str, Any]:
        return {}


Arguments = Callable[[World], Awaitable[dict[str, Any]]]

# For each method: the object that must exist before, and further arguments.
CALLS: dict[str, tuple[Arguments, dict[str, Any]]] = {
    "chat.accept": (World.chat_request, {}),
    "chat.add": (World.chat_without_bob, {}),
    "chat.create": (World.users, {"title": "العيلة", **KEY}),
    "chat.delete": (World.chat_message, {"for": "everyone"}),
    "chat.edit": (World.chat_message, {"text": "hello again"}),
    "chat.leave": (World.chat, {}),
    "chat.mark": (World.chat_with_message, {"received_seq": 1, "read_seq": 1}),
    "chat.mute": (World.chat, {"muted": True}),
    "chat.open": (World.users, {}),
    "chat.react": (World.chat_message, {"emoji": "🔥"}),
    "chat.reject": (World.chat_request, {}),
    "chat.remove": (World.bob_in_chat, {}),
    "chat.send": (World.chat, {"text": "hello", **KEY}),
    "chat.set_role": (World.bob_in_chat, {"role": "owner"}),
    "chat.update": (World.chat, {"title": "الشلة"}),
    "circle.add": (World.members, {}),
    "circle.create": (World.nothing, {"name": "friends", **KEY}),
    "circle.delete": (World.circle, {}),
    "circle.remove": (World.members, {}),
    "circle.update": (World.circle, {"name": "family"}),
    "collection.create": (World.nothing, {"name": "recipes", **KEY}),
    "collection.delete": (World.collection, {}),
    "collection.update": (World.collection, {"name": "food"}),
    "comment.create": (World.post, {"text": "hello", **KEY}),
    "comment.delete": (World.comment, {}),
    "comment.edit": (World.comment, {"text": "hello again"}),
    "feed.hide": (World.post, {"reason": "topic"}),
    "feed.reset": (World.nothing, {}),
    "graph.accept": (World.asked_by_bob, {}),
    "graph.block": (World.user, {}),
    "graph.follow": (World.user, {}),
    "account.verification": (World.nothing, {}),
    "verification.decide": (World.verification, {"decision": "approved"}),
    "verification.documents": (World.verification, {}),
    "account.correct_birth_date": (World.nothing, {"birth_date": "1990-05-05"}),
    "consent.give": (World.nothing, {"purpose": "privacy", "version": "2"}),
    "consent.withdraw": (World.nothing, {"purpose": "personalisation"}),
    "explore.dismiss_person": (World.user, {}),
    "graph.mute": (World.user, {}),
    "graph.reject": (World.asked_by_bob, {}),
    "graph.unblock": (World.user, {}),
    "graph.unfollow": (World.user, {}),
    "graph.unmute": (World.user, {}),
    "media.abort_upload": (World.upload, {}),
    "media.complete_upload": (World.sent, {}),
    "media.create_upload": (World.nothing, {"filename": "x", "content_type": "image/png", "size_bytes": 9, **KEY}),
    "media.renew_upload": (World.upload, {"part_numbers": [1]}),
    "media.update": (World.upload, {"alt": "a cat", "is_sensitive": True}),
    "notification.accept_filtered": (World.kept_back, {}),
    "notification.dismiss_filtered": (World.kept_back, {}),
    "notification.mark_read": (World.notifications, {}),
    "notification.mark_seen": (World.up_to, {}),
    "notification.set_preferences": (World.nothing, {"strangers": "filter", "ungrouped": ["follow"]}),
    "post.create": (World.nothing, {"text": "hello", **KEY}),
    "post.delete": (World.post, {}),
    "post.edit": (World.post, {"version": 1, "text": "hello again"}),
    "post.unwatch": (World.watched, {}),
    "post.watch": (World.post, {}),
    "presence.set": (World.nothing, {"status": "busy"}),
    "presence.unwatch": (World.users, {}),
    "presence.watch": (World.users, {}),
    "push.register": (World.nothing, {"kind": "fcm", "token": "token-of-a-phone"}),
    "push.unregister": (World.nothing, {"kind": "fcm", "token": "token-of-a-phone"}),
    "reaction.set": (World.target, {"kind": "like"}),
    "reaction.unset": (World.reacted, {}),
    "room.ban": (World.on_bob, {}),
    "room.close": (World.scheduled, {}),
    "room.create": (World.nothing, {"topic": "ليلة الكشري", **KEY}),
    "room.delete_message": (World.message, {}),
    "room.invite": (World.scheduled, {}),
    "room.join": (World.live, {}),
    "room.kick": (World.on_bob, {}),
    "room.leave": (World.live, {}),
    "room.mute": (World.on_bob_at_version, {"muted": True}),
    "room.raise_hand": (World.live, {"raised": False}),
    "room.react": (World.message, {"emoji": "🔥"}),
    "room.record": (World.live, {"on": False}),
    "room.send": (World.live, {"text": "hello", **KEY}),
    "room.set_role": (World.on_bob_at_version, {"role": "cohost"}),
    "room.start": (World.scheduled, {}),
    "room.transfer_host": (World.on_bob_at_version, {}),
    "room.unban": (World.on_bob_at_version, {}),
    "room.update": (World.scheduled, {"topic": "ليلة الفول", "capacity": 9}),
    "case.claim": (World.case, {}),
    "case.decide": (World.case, {"action": "warn", **KEY}),
    "case.get": (World.case, {}),
    "case.history": (World.case, {}),
    "case.note": (World.case, {"text": "hello", **KEY}),
    "case.release": (World.case, {}),
    "case.unwatch": (World.nothing, {}),
    "case.watch": (World.moderation, {}),
    "report.create": (World.others_post, {"reason": "spam"}),
    "report.retract": (World.report, {}),
    "rule.disable": (World.rule, {}),
    "rule.dry_run": (World.ruling, {"expression": "false", "surfaces": ["post"]}),
    "rule.enable": (World.rule_at_version, {"confirm": True}),
    "rule.save": (World.ruling, {
        "name": "x", "surfaces": ["post"], "expression": "false", "outcome": "hold", "reason": "spam", **KEY,
    }),
    "save.add": (World.saved, {}),
    "save.remove": (World.saved, {}),
    "search.clear": (World.searched, {}),
    "search.query": (World.searched, {"kind": "post"}),
    "session.revoke": (World.session, {}),
    "share.create": (World.post, KEY),
    "settings.update": (World.nothing, {"messages_from": "nobody", "timezone": "Africa/Cairo", "suggest_me": False}),
    "terms.save": (World.new_list, {"match": "word", "add": ["casino"], "remove": [], **KEY}),
    "typing.start": (World.live, {}),
    "typing.stop": (World.live, {}),
    "view.report": (World.viewed, {}),
    "user.update": (World.nothing, {"is_private": True, "display_name": "منى", "governorate": "giza"}),
}  # fmt: skip
# Tested below or elsewhere, since they sign in or out: `test_auth` has the refresh, `test_rights` the registration,
# `test_account_deletion` the deletion, `test_exports` the export; `test_oversight` has what only moderators do.
ELSEWHERE = {
    "account.cancel_delete", "account.delete", "account.export", "account.review",
    # `test_decisions` repeats these.
    "appeal.create", "appeal.decide", "decision.undo", "decision.undo_many",
    "auth.change_password", "auth.login", "auth.logout", "auth.refresh", "auth.register",
    *CODE_METHODS, *SECOND_FACTOR_METHODS, "auth.change_username", "key.create", "key.revoke",
}  # fmt: skip
# They change nothing. The first returns a token, and needs LiveKit.
NO_CHANGE = {"room.media_token", "search.suggest"}


def test_every_writing_method_is_covered():
    writing = {method.name for method in methods if not method.reads}
    assert CALLS.keys() | ELSEWHERE | NO_CHANGE == writing, "add the method to CALLS, ELSEWHERE or NO_CHANGE above"


@pytest.mark.parametrize("method", CALLS)
async def test_a_call_can_be_repeated(cluster: Cluster, person, method):
    world = World(cluster, await person("alice"), await person("bob", node="b"))
    prepare, more = CALLS[method]
    arguments = {**await prepare(world), **more}
    if method == "room.invite":
        del arguments["version"]
        arguments["user_ids"] = [world.bob.id]
    first = await world.alice.call(method, **arguments)
    second = await world.alice.call(method, **arguments)
    # These answers are of their moment: a renewed claim, a snapshot, URLs signed then, how far the processing is.
    of_the_moment = {"case.claim", "room.join", "media.renew_upload", "media.complete_upload", "verification.documents"}
    assert second == first or method in of_the_moment


async def test_a_password_change_can_be_repeated(cluster: Cluster, person):
    alice, _ = await register(cluster)
    change = {"old_password": PASSWORD, "new_password": "another password"}
    for _ in range(2):
        assert await alice.call("auth.change_password", **change) == {}
    wrong = {**change, "new_password": "a third password"}
    assert (await alice.refused("auth.change_password", **wrong)).fields == ["old_password"]


async def test_a_login_can_be_repeated(cluster: Cluster, person):
    alice, _ = await register(cluster)
    for _ in range(2):
        guest = await cluster.guest()
        login = {"email": f"{alice.name}@example.org", "password": PASSWORD}
        assert (await guest.call("auth.login", **login))["user"]["id"] == alice.id


@pytest.mark.parametrize(
    ("method", "prepare", "more", "code"),
    [
        ("post.edit", World.post, {"version": 1, "text": "mine"}, "ABORTED"),
        ("room.update", World.scheduled, {"topic": "mine"}, "ABORTED"),
        ("room.set_role", World.on_bob_at_version, {"role": "speaker"}, "ABORTED"),
        ("room.mute", World.on_bob_at_version, {"muted": False}, "ABORTED"),
    ],
)
async def test_a_call_is_no_repetition_if_the_state_changed_since(
    cluster: Cluster, person, method, prepare, more, code
):
    """The version is the previous one, but the state is not the requested one."""
    world = World(cluster, await person("alice"), await person("bob", node="b"))
    arguments = await prepare(world)
    await world.alice.call(method, **{**arguments, **CALLS[method][1]})
    assert (await world.alice.refused(method, **{**arguments, **more})).code == code


@pytest.mark.parametrize(
    "method",
    [
        "graph.accept",
        "post.delete",
        "comment.delete",
        "circle.delete",
        "collection.delete",
        "session.revoke",
        "room.close",
    ],
)
async def test_a_call_is_no_repetition_of_another_users_call(cluster: Cluster, person, method):
    world = World(cluster, await person("alice"), await person("bob", node="b"))
    prepare, more = CALLS[method]
    arguments = {**await prepare(world), **more}
    await world.alice.call(method, **arguments)
    stranger = await person("stranger")
    expected = (
        "FAILED_PRECONDITION" if method == "room.close" else "NOT_FOUND"
    )  # users who see the room see that it has ended
    assert (await stranger.refused(method, **arguments)).code == expected
