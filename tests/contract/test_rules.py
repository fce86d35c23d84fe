"""Rules before publishing: how admins write them, and what they do to what users publish."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from gateway.moderation import undo_all
from moderation.disguises import as_part
from tests.cluster import Cluster
from tests.contract.moderators import case_of, reported
from tests.contract.test_auth import PASSWORD, register
from tests.people import Person

NewPerson = Callable[..., Awaitable[Person]]


async def with_role(cluster: Cluster, person: NewPerson, name: str, role: str) -> Person:
    found = await person(name)
    owner = await cluster.owner()
    await owner.execute("UPDATE users SET role = $2 WHERE id = $1", int(found.id), role)
    await owner.close()
    return found


@pytest_asyncio.fixture
async def admin(cluster: Cluster, person: NewPerson):
    return await with_role(cluster, person, "admin", "admin")


def rule(expression: str, **fields: object) -> dict[str, object]:
    usual = {"name": "a rule", "surfaces": ["post"], "outcome": "refuse", "reason": "spam"}
    return {**usual, "expression": expression, **fields}


async def test_only_admins_write_rules_and_moderators_read_them(cluster: Cluster, person: NewPerson, admin: Person):
    moderator = await with_role(cluster, person, "moderator", "moderator")
    user = await person("user")
    saved = await admin.call("rule.save", **rule("length > 4999"))
    for caller in (moderator, user):
        assert (await caller.refused("rule.save", **rule("true"))).code == "PERMISSION_DENIED"
        refused = await caller.refused("rule.enable", rule_id=saved["rule_id"], version=1)
        assert refused.code == "PERMISSION_DENIED"
        assert (await caller.refused("rule.dry_run", expression="true", surfaces=["post"])).code == "PERMISSION_DENIED"
    assert (await user.refused("rule.list")).code == "PERMISSION_DENIED"
    assert (await moderator.call("rule.get", rule_id=saved["rule_id"])) == saved
    assert (await moderator.call("rule.list"))["items"][0]["rule"] == saved


async def test_a_change_of_a_rule_is_a_new_version(admin: Person):
    first = await admin.call("rule.save", **rule("length > 4998"))
    change = {**rule("length > 4999"), "rule_id": first["rule_id"], "version": 1}
    second = await admin.call("rule.save", **change)
    assert second["version"] == 2
    assert await admin.call("rule.save", **change) == second
    stale = await admin.refused("rule.save", **{**change, "expression": "length > 4997"})
    assert stale.code == "ABORTED"
    page = await admin.call("rule.versions", rule_id=first["rule_id"], limit=1)
    rest = await admin.call("rule.versions", rule_id=first["rule_id"], cursor=page["next_cursor"])
    assert [each["expression"] for each in page["items"] + rest["items"]] == ["length > 4999", "length > 4998"]


async def test_a_bad_expression_is_refused_with_the_reason(admin: Person):
    refused = await admin.refused("rule.save", **rule("author.password == ''"))
    assert refused.fields == ["expression"]
    for surface in ("message", "room_message"):
        held = await admin.refused("rule.save", **rule("true", outcome="hold", surfaces=[surface]))
        assert held.fields == ["outcome"]


async def test_enabling_and_disabling_may_be_repeated(admin: Person):
    saved = await admin.call("rule.save", **rule("length > 4999"))
    enabled = await admin.call("rule.enable", rule_id=saved["rule_id"], version=1, confirm=True)
    assert enabled["enabled"]
    assert await admin.call("rule.enable", rule_id=saved["rule_id"], version=1) == enabled
    for _ in range(2):
        assert not (await admin.call("rule.disable", rule_id=saved["rule_id"]))["enabled"]


async def test_a_list_keeps_its_terms_by_version(cluster: Cluster, admin: Person):
    name = cluster.unique("list").replace("-", "_")[:40]
    made = await admin.call("terms.save", name=name, match="word", add=["حمار", "kalb"], remove=[])
    change = {
        "name": name,
        "match": "word",
        "add": ["casino"],
        "remove": ["kalb"],
        "list_id": made["list_id"],
        "version": 1,
    }
    changed = await admin.call("terms.save", **change)
    assert (changed["version"], changed["amount"]) == (2, 2)
    assert await admin.call("terms.save", **change) == changed
    page = await admin.call("terms.list", list_id=made["list_id"], limit=1)
    rest = await admin.call("terms.list", list_id=made["list_id"], limit=1, cursor=page["next_cursor"])
    assert page["terms"] + rest["terms"] == ["casino", "حمار"]
    assert (await admin.refused("terms.save", **{**change, "version": 7})).code == "ABORTED"
    assert (await admin.refused("terms.save", name=name, match="word", add=[], remove=[])).code == "ALREADY_EXISTS"
    assert (await admin.refused("terms.save", name="x", match="inside", add=["ok!", "ab"], remove=[])).fields == [
        "add[0]"
    ]


@asynccontextmanager
async def in_force(admin: Person, cluster: Cluster, expression: str, **fields: object) -> AsyncIterator[dict[str, Any]]:
    """A rule that all nodes follow; it is disabled at the end."""
    saved: dict[str, Any] = await admin.call("rule.save", **rule(expression, **fields))
    await admin.call("rule.enable", rule_id=saved["rule_id"], version=saved["version"], confirm=True)
    try:
        await followed(cluster)
        yield saved
    finally:
        await admin.call("rule.disable", rule_id=saved["rule_id"])
        await followed(cluster)


async def followed(cluster: Cluster) -> None:
    """Wait until both nodes serve with the book of the database."""
    for node in (cluster.node_a, cluster.node_b):
        await node.parts.services.rulebook.load()


@pytest.fixture
def marker(cluster: Cluster) -> str:
    """A word that only this test uses, so that its rules hit nothing else."""
    return as_part(cluster.unique("w"))


async def test_a_refused_text_is_nowhere_and_the_field_is_named(
    cluster: Cluster, person: NewPerson, admin: Person, marker: str
):
    ahmed, mona = await person("ahmed", node="b"), await person("mona")
    surfaces = ["post", "comment", "profile", "room", "message"]
    advice = {"outcome": "require_change", "message": "leave the casino out"}
    post = await mona.call("post.create", text="hello")
    await ahmed.call("post.create", text=f"hello {marker}")
    chat = (await ahmed.call("chat.open", user_ids=[mona.id]))["chat"]
    async with in_force(admin, cluster, f"'{marker}' in words", surfaces=surfaces, **advice):
        refused = await ahmed.refused("post.create", text=f"hello {marker}")
        assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["text"])
        assert refused.error["details"][0]["reason"] == "leave the casino out"
        comment = {"post_id": post["id"], "text": marker}
        assert (await ahmed.refused("comment.create", **comment)).fields == ["text"]
        assert (await ahmed.refused("user.update", display_name="me", bio=f"so {marker}")).fields == ["bio"]
        assert (await ahmed.refused("room.create", topic=marker)).fields == ["topic"]
        assert (await ahmed.refused("chat.send", chat_id=chat["id"], text=marker)).fields == ["text"]
        sent = (await ahmed.call("chat.send", chat_id=chat["id"], text="hello"))["seq"]
        assert (await ahmed.refused("chat.edit", chat_id=chat["id"], seq=sent, text=marker)).fields == ["text"]
        mine = await ahmed.call("post.create", text="hello again")
        edited = {"post_id": mine["id"], "version": 1, "text": marker.upper()}
        assert (await ahmed.refused("post.edit", **edited)).fields == ["text"]
        await mona.call("chat.accept", chat_id=chat["id"])
        await ahmed.call("chat.send", chat_id=chat["id"], text=marker)
        await ahmed.call("chat.edit", chat_id=chat["id"], seq=sent, text=marker)
    assert len((await mona.call("post.list", user_id=ahmed.id))["items"]) == 2
    assert (await mona.call("comment.list", post_id=post["id"]))["items"] == []


async def test_messages_in_live_rooms_and_texts_of_presence_are_judged(
    cluster: Cluster, person: NewPerson, admin: Person, marker: str
):
    ahmed, mona = await person("ahmed", node="b"), await person("mona")
    room = (await mona.call("room.create", topic="tea"))["id"]
    await mona.call("room.start", room_id=room)
    for each in (mona, ahmed):
        await each.call("room.join", room_id=room)
    async with in_force(admin, cluster, f"'{marker}' in words", surfaces=["room_message", "profile"]):
        assert (await ahmed.refused("room.send", room_id=room, text=marker)).fields == ["text"]
        assert (await ahmed.refused("presence.set", status="busy", text=marker)).fields == ["text"]
        await ahmed.call("room.send", room_id=room, text="hello")
        await ahmed.call("presence.set", status="busy", text="hello")
        await ahmed.call("presence.set", status="busy")
    assert [each["text"] for each in (await mona.call("room.messages", room_id=room))["items"]] == ["hello"]
    await ahmed.call("room.send", room_id=room, text=marker)


async def test_names_of_accounts_and_groups_are_judged(cluster: Cluster, person: NewPerson, admin: Person, marker: str):
    ahmed, mona = await person("ahmed", node="b"), await person("mona")
    group = (await ahmed.call("chat.create", user_ids=[mona.id], title="tea"))["chat"]
    room = await ahmed.call("room.create", topic="tea")
    guest = await cluster.guest()
    account = {"username": marker, "email": f"{marker}@example.org", "password": PASSWORD}
    surfaces = ["profile", "group", "room"]
    async with in_force(admin, cluster, f"'{marker}' in words", surfaces=surfaces) as saved:
        assert (await guest.refused("auth.register", **account)).fields == ["username"]
        assert (await ahmed.refused("auth.change_username", username=marker)).fields == ["username"]
        assert (await ahmed.refused("user.update", display_name=marker)).fields == ["display_name"]
        assert (await ahmed.refused("chat.create", user_ids=[mona.id], title=marker)).fields == ["title"]
        assert (await ahmed.refused("chat.update", chat_id=group["id"], title=marker)).fields == ["title"]
        renamed = await ahmed.refused("room.update", room_id=room["id"], version=room["version"], topic=marker)
        assert renamed.fields == ["topic"]
        await ahmed.call("chat.update", chat_id=group["id"], title="coffee")
        listed = (await admin.call("rule.list"))["items"]
        assert [each["rule"]["rule_id"] for each in listed[:1]] == [saved["rule_id"]]
    registered = await guest.call("auth.register", **account)
    assert registered["user"]["username"] == marker
    assert (await mona.call("chat.get", chat_id=group["id"]))["chat"]["title"] == "coffee"


async def test_an_account_is_not_held_but_moderators_look_at_it(
    cluster: Cluster, person: NewPerson, admin: Person, marker: str
):
    mona = await person("mona")
    guest = await cluster.guest(node="b")
    assert (await admin.refused("rule.save", **rule("true", outcome="hold", surfaces=["group"]))).fields == ["outcome"]
    async with in_force(admin, cluster, f"'{marker}' in words", outcome="hold", surfaces=["profile"], reason="hate"):
        account = {"username": marker, "email": f"{marker}@example.org", "password": PASSWORD}
        user_id = (await guest.call("auth.register", **account))["user"]["id"]
        await guest.call("user.update", bio=f"so {marker}")
    assert (await mona.call("user.get", user_id=user_id))["bio"] == f"so {marker}"
    [item] = (await admin.call("case.list", owner_id=user_id))["items"]
    assert (item["target_type"], item["source"], item["reason"]) == ("user", "rule", "hate")
    shown = await admin.call("case.get", case_id=item["id"])
    assert (shown["snapshot"]["username"], shown["snapshot"]["bio"]) == (marker, f"so {marker}")


async def test_a_trial_reads_names_and_titles_but_no_messages(
    cluster: Cluster, person: NewPerson, admin: Person, marker: str
):
    ahmed, mona = await person("ahmed"), await person("mona")
    for bio in ("tea", f"coffee {marker}"):
        await ahmed.call("user.update", bio=bio)
    group = (await ahmed.call("chat.create", user_ids=[mona.id], title=marker))["chat"]
    room = await ahmed.call("room.create", topic=marker)
    await ahmed.call("chat.send", chat_id=group["id"], text=marker)
    surfaces = ["profile", "group", "room", "message"]
    trial = await admin.call("rule.dry_run", expression=f"'{marker}' in words", surfaces=surfaces)
    assert trial["hits"] == 3
    assert {(each["target_type"], each["target_id"], each["text"]) for each in trial["samples"]} == {
        ("user", ahmed.id, f"{ahmed.name}\n{(await ahmed.call('user.me'))['display_name']}\ncoffee {marker}"),
        ("chat", group["id"], None),
        ("room", room["id"], marker),
    }


async def test_a_held_post_is_its_authors_alone_and_opens_one_case(
    cluster: Cluster, person: NewPerson, admin: Person, marker: str
):
    ahmed, mona = await person("ahmed"), await person("mona", node="b")
    await mona.call("graph.follow", user_id=ahmed.id)
    async with in_force(admin, cluster, f"'{marker}' in words", outcome="hold", surfaces=["post", "comment"]) as saved:
        post = await ahmed.call("post.create", text=marker)
        open_post = await ahmed.call("post.create", text="hello")
        comment = await ahmed.call("comment.create", post_id=open_post["id"], text=marker)
    assert (await ahmed.call("post.get", post_id=post["id"]))["text"] == marker
    assert (await mona.refused("post.get", post_id=post["id"])).code == "NOT_FOUND"
    assert (await mona.refused("comment.get", comment_id=comment["id"])).code == "NOT_FOUND"
    await cluster.settle()
    assert [item["post"]["id"] for item in await mona.own_feed()] == [open_post["id"]]
    owner = await cluster.owner()
    decided = await owner.fetch(
        "SELECT target_type, action, rule_version FROM decisions WHERE rule_id = $1", int(saved["rule_id"])
    )
    opened = await owner.fetch(
        "SELECT source, status FROM cases WHERE target_id = ANY ($1::bigint[])", [int(post["id"]), int(comment["id"])]
    )
    await owner.close()
    assert {tuple(row) for row in decided} == {("post", "hold", 1), ("comment", "hold", 1)}
    assert {tuple(row) for row in opened} == {("rule", "open")}


async def test_what_was_approved_is_not_held_again_and_a_new_hold_has_a_case(
    cluster: Cluster, person: NewPerson, admin: Person, marker: str
):
    ahmed, mona = await person("ahmed"), await person("mona", node="b")
    async with in_force(admin, cluster, f"'{marker}' in words", outcome="hold"):
        for action in ("approve", "label"):
            text = f"{marker} {action}"
            post = await ahmed.call("post.create", text=text)
            case_id = await case_of(cluster, "post", post["id"])
            labels = ["spoiler"] if action == "label" else []
            decided = await admin.call("case.decide", case_id=case_id, action=action, labels=labels)
            for version, written in enumerate(("harmless", text), start=post["version"]):
                await ahmed.call("post.edit", post_id=post["id"], version=version, text=written)
            if action == "approve":
                assert (await mona.call("post.get", post_id=post["id"]))["text"] == text
                await admin.call("decision.undo", decision_id=decided["decision_id"])
                edited = {"post_id": post["id"], "version": post["version"] + 2}
                await ahmed.call("post.edit", **edited, text=text)
            assert (await mona.refused("post.get", post_id=post["id"])).code == "NOT_FOUND"
            assert await case_of(cluster, "post", post["id"]) not in (case_id, "None")


async def test_a_trial_tells_what_a_rule_would_have_hit(
    cluster: Cluster, person: NewPerson, admin: Person, marker: str
):
    ahmed = await person("ahmed")
    post = await ahmed.call("post.create", text=f"tea {marker}")
    await ahmed.call("post.create", text=f"coffee {marker}", visibility="followers")
    trial = await admin.call("rule.dry_run", expression=f"'{marker}' in words", surfaces=["post", "comment"])
    assert (trial["hits"], trial["verified_hits"]) == (2, 0)
    assert trial["texts"] == trial["examined"] >= 2
    assert {sample["text"] for sample in trial["samples"]} == {f"tea {marker}", None}
    assert {sample["user_id"] for sample in trial["samples"]} == {ahmed.id}
    assert post["id"] in {sample["target_id"] for sample in trial["samples"]}


async def test_a_trial_goes_on_behind_texts_that_are_gone(
    person: NewPerson, admin: Person, marker: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("handlers.rules._PAGE", 1)
    ahmed = await person("ahmed")
    gone = await ahmed.call("post.create", text=f"tea {marker}")
    await ahmed.call("post.create", text=f"coffee {marker}")
    await ahmed.call("post.delete", post_id=gone["id"])
    trial = await admin.call("rule.dry_run", expression=f"'{marker}' in words", surfaces=["post"])
    assert trial["hits"] == 1
    assert trial["texts"] == trial["examined"]


async def test_a_rule_that_matches_everything_needs_a_confirmation(person: NewPerson, admin: Person):
    ahmed = await person("ahmed")
    for number in range(3):
        await ahmed.call("post.create", text=f"hello {number}")
    trial = await admin.call("rule.dry_run", expression="length >= 0", surfaces=["post"])
    assert trial["needs_confirmation"]
    assert len(trial["samples"]) <= 20
    saved = await admin.call("rule.save", **rule("length >= 0", outcome="hold"))
    refused = await admin.refused("rule.enable", rule_id=saved["rule_id"], version=1)
    assert refused.code == "FAILED_PRECONDITION"
    assert "confirm" in refused.message


async def test_a_rule_that_could_not_be_tried_needs_a_confirmation(
    person: NewPerson, admin: Person, marker: str, monkeypatch: pytest.MonkeyPatch
):
    ahmed = await person("ahmed")
    await ahmed.call("post.create", text="hello")
    expression = f"'{marker}' in words"
    for_messages = await admin.call("rule.save", **rule(expression, surfaces=["post", "message"]))
    refused = await admin.refused("rule.enable", rule_id=for_messages["rule_id"], version=1)
    assert refused.code == "FAILED_PRECONDITION"
    assert "not tried on" in refused.message
    trial = await admin.call("rule.dry_run", expression=expression, surfaces=["post", "message"])
    assert (trial["hits"], trial["needs_confirmation"]) == (0, True)

    async def none(*_: object) -> list[object]:
        return []

    for_posts = {"rule_id": (await admin.call("rule.save", **rule(expression)))["rule_id"], "version": 1}
    with monkeypatch.context() as without_texts:
        without_texts.setattr("storage.rule_inputs.load_trial", none)
        refused = await admin.refused("rule.enable", **for_posts)
    assert refused.code == "FAILED_PRECONDITION"
    assert "no text" in refused.message
    assert (await admin.call("rule.enable", **for_posts))["enabled"]
    await admin.call("rule.disable", rule_id=for_posts["rule_id"])


async def test_repeated_texts_are_counted_however_they_are_spaced(
    cluster: Cluster, person: NewPerson, admin: Person, marker: str
):
    ahmed, mona = await person("ahmed"), await person("mona", node="b")
    await ahmed.call("post.create", text=f"buy now {marker}")
    expression = f"repeats >= 1 && squeezed.contains('{marker}')"
    async with in_force(admin, cluster, expression):
        assert (await mona.refused("post.create", text=f"B U Y  now!!! {marker}")).fields == ["text"]
        await mona.call("post.create", text=f"sell now {marker}")


async def test_a_new_account_has_tighter_limits(cluster: Cluster, person: NewPerson, node):
    mona = await person("mona")
    few = await node(limit_new_post="1/hour", limit_new_stranger="1/hour", limit_new_follow="1/hour")
    ahmed, _ = await register(cluster, node=few)
    await ahmed.call("post.create", text="hello")
    assert (await ahmed.refused("post.create", text="hello")).code == "RESOURCE_EXHAUSTED"
    await ahmed.call("graph.follow", user_id=mona.id)
    other = await person("other")
    assert (await ahmed.refused("graph.follow", user_id=other.id)).code == "RESOURCE_EXHAUSTED"
    chat = (await ahmed.call("chat.open", user_ids=[mona.id]))["chat"]
    await ahmed.call("chat.send", chat_id=chat["id"], text="hello")
    assert (await ahmed.refused("chat.send", chat_id=chat["id"], text="hello")).code == "RESOURCE_EXHAUSTED"
    await mona.call("chat.accept", chat_id=chat["id"])
    await ahmed.call("chat.send", chat_id=chat["id"], text="hello")


async def test_spam_is_shadowed_and_a_moderator_sees_it(cluster: Cluster, person: NewPerson, marker: str):
    spammer, _ = await register(cluster)
    mona = await person("mona", node="b")
    text = f"{marker} a.com/{marker} b.com/{marker} c.com/{marker}"
    posts = [await spammer.call("post.create", text=text) for _ in range(6)]
    await cluster.settle()
    owner = await cluster.owner()
    decided = await owner.fetch(
        "SELECT target_id, action, reason, decided_by FROM decisions WHERE user_id = $1", int(spammer.id)
    )
    opened = await owner.fetch("SELECT DISTINCT source, reason FROM cases WHERE owner_id = $1", int(spammer.id))
    await owner.close()
    assert {tuple(row)[1:] for row in decided} == {("shadow", "spam", None)}
    assert int(posts[-1]["id"]) in {row["target_id"] for row in decided}
    assert int(posts[0]["id"]) not in {row["target_id"] for row in decided}
    assert [tuple(row) for row in opened] == [("classifier", "spam")]
    assert (await mona.refused("post.get", post_id=posts[-1]["id"])).code == "NOT_FOUND"
    assert (await spammer.call("post.get", post_id=posts[-1]["id"]))["text"] == text


async def test_what_a_wrong_rule_has_held_is_undone_in_one_command(
    cluster: Cluster, person: NewPerson, admin: Person, marker: str
):
    ahmed, mona = await person("ahmed"), await person("mona", node="b")
    began = datetime.now(UTC)
    mistake = f"length >= 0 && squeezed.contains('{marker}')"
    surfaces = ["post", "comment", "room", "profile"]
    async with in_force(admin, cluster, mistake, outcome="hold", surfaces=surfaces) as saved:
        posts = [await ahmed.call("post.create", text=f"{marker} {number}") for number in range(3)]
        room = await ahmed.call("room.create", topic=marker)
        for person_of in (ahmed, mona):
            await person_of.call("user.update", bio=marker)
    also_reported = await reported(cluster, ahmed, "user", mona.id)
    for post in posts:
        assert (await mona.refused("post.get", post_id=post["id"])).code == "NOT_FOUND"
    undone = await undo_all(cluster.settings(), int(saved["rule_id"]), None, began)
    assert undone == 6
    for post in posts:
        assert (await mona.call("post.get", post_id=post["id"]))["text"] == post["text"]
    assert (await mona.call("room.get", room_id=room["id"]))["topic"] == marker
    of_ahmed = (await admin.call("case.list", owner_id=ahmed.id))["items"]
    assert [(case["status"], case["decided_by"]) for case in of_ahmed] == [("decided", None)] * 5
    of_mona = (await admin.call("case.list", owner_id=mona.id))["items"]
    assert [(case["id"], case["status"]) for case in of_mona] == [(also_reported, "open")]
