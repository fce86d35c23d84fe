"""Attacks by reporters and moderators: to find out, to flood, to inject, to use another one's cursor."""

import pytest

from tests.cluster import Cluster
from tests.contract.moderators import appoint, reported


async def test_a_report_does_not_tell_whether_something_exists(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    hidden = (await alice.call("post.create", text="for me", visibility="private"))["id"]
    answers = [
        await bob.refused("report.create", target_type="post", target_id=target, reason="spam")
        for target in (hidden, str(int(hidden) + 1))
    ]
    assert {(answer.code, answer.message) for answer in answers} == {("NOT_FOUND", "there is no such post")}
    answers = [
        await bob.refused(
            "report.create", target_type="user", target_id=alice.id, reason="spam",
            evidence=[{"target_type": "post", "target_id": target}],
        )
        for target in (hidden, str(int(hidden) + 1))
    ]  # fmt: skip
    assert len({(answer.code, answer.message) for answer in answers}) == 1


async def test_reports_of_a_user_are_limited(cluster: Cluster, person, node):
    alice = await person("alice")
    bob = await person("bob", node=await node(limit_report="2/hour"))
    posts = [(await alice.call("post.create", text=str(number)))["id"] for number in range(3)]
    for post in posts[:2]:
        await bob.call("report.create", target_type="post", target_id=post, reason="spam")
    refused = await bob.refused("report.create", target_type="post", target_id=posts[2], reason="spam")
    assert refused.code == "RESOURCE_EXHAUSTED"
    assert len((await bob.call("report.list"))["items"]) == 2


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "'); DELETE FROM cases; --", '{"snapshot": {}}', "%s $1"]
)
async def test_texts_of_reports_stay_texts(cluster: Cluster, person, text):
    alice, bob = await person("alice"), await person("bob")
    moderator = await appoint(cluster, await person("moderator"))
    post = (await alice.call("post.create", text=text))["id"]
    case_id = await reported(cluster, bob, "post", post, text=text)
    await moderator.call("case.note", case_id=case_id, text=text)
    shown = await moderator.call("case.get", case_id=case_id)
    assert (shown["snapshot"]["text"], shown["reports"][0]["text"]) == (text, text)
    assert (await moderator.call("case.history", case_id=case_id))["items"][0]["note"] == text


async def test_a_cursor_is_of_one_moderator(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    first, second = [await appoint(cluster, await person(name)) for name in ("first", "second")]
    await reported(cluster, bob, "user", alice.id)
    cursor = (await first.call("case.list", limit=1))["next_cursor"]
    assert (await second.refused("case.list", limit=1, cursor=cursor)).fields == ["cursor"]
    assert (await first.refused("case.list", limit=1, cursor=cursor, owner_id=alice.id)).fields == ["cursor"]
    await appoint(cluster, first, "user")
    await first.expect("session.revoked")
