"""Messages in live rooms: reporting and judging them."""

import pytest

from tests.cluster import Cluster
from tests.contract.moderators import appoint, case_of, reported
from tests.contract.test_live_rooms import open_room
from tests.people import Person


async def said(host: Person, sender: Person, *others: Person, **options: object) -> tuple[str, str]:
    """Open a room in which the sender has said something; return the ids of room and message."""
    room = await open_room(host, **options)
    for each in (sender, *others):
        await each.call("room.join", room_id=room)
    message = (await sender.call("room.send", room_id=room, text="a threat"))["id"]
    for each in (host, *others):
        await each.expect("room.message", room_id=room)
    return room, message


async def listed(person: Person, room: str) -> list[str]:
    return [each["text"] for each in (await person.call("room.messages", room_id=room))["items"]]


@pytest.fixture
async def moderator(cluster: Cluster, person) -> Person:
    return await appoint(cluster, await person("moderator"))


async def test_the_case_keeps_what_was_said(cluster: Cluster, person, moderator: Person):
    host, sender, reporter = await person("host"), await person("sender", node="b"), await person("reporter")
    room, message = await said(host, sender, reporter)
    case_id = await reported(cluster, reporter, "room_message", message, reason="violence")
    await sender.call("room.delete_message", room_id=room, message_id=message)
    shown = await moderator.call("case.get", case_id=case_id)
    assert shown["summary"].items() >= {
        "target_type": "room_message", "target_id": message, "owner_id": sender.id, "severity": 3, "is_private": False
    }.items()  # fmt: skip
    assert (shown["snapshot"]["text"], shown["snapshot"]["room_id"]) == ("a threat", room)
    assert [each["id"] for each in (await moderator.call("case.list", target_types=["room_message"]))["items"]] == [
        case_id
    ]
    decided = await moderator.call("case.decide", case_id=case_id, action="remove", reason="violence")
    await moderator.call("decision.undo", decision_id=decided["decision_id"])
    assert await listed(host, room) == []  # the sender has deleted it


async def test_only_what_a_user_sees_can_be_reported(cluster: Cluster, person):
    host, sender, muting = await person("host"), await person("sender"), await person("muting")
    banned, stranger = await person("banned"), await person("stranger", node="b")
    for each in (sender, muting, banned):
        await each.call("graph.follow", user_id=host.id)
    room, message = await said(host, sender, muting, banned, visibility="followers")
    await muting.call("graph.mute", user_id=sender.id, kind="all")
    await host.call("room.ban", room_id=room, user_id=banned.id)
    asked = {"target_type": "room_message", "target_id": message, "reason": "spam"}
    for each in (stranger, muting, banned):
        assert (await each.refused("report.create", **asked)).code == "NOT_FOUND"
    assert (await host.refused("report.create", **asked, seq=1)).fields == ["seq"]
    assert (await sender.refused("report.create", **asked)).code == "FAILED_PRECONDITION"
    await host.call("report.create", **asked)
    await host.call("room.delete_message", room_id=room, message_id=message)
    later = await person("later")
    await later.call("graph.follow", user_id=host.id)
    assert (await later.refused("report.create", **asked)).code == "NOT_FOUND"


async def test_a_removed_message_leaves_the_room_and_is_back_after_an_appeal(
    cluster: Cluster, person, moderator: Person
):
    host, sender, reporter = await person("host", node="b"), await person("sender"), await person("reporter")
    other = await appoint(cluster, await person("other"))
    room, message = await said(host, sender, reporter)
    case_id = await reported(cluster, reporter, "room_message", message)
    for action in ("hold", "shadow", "limit", "suspend"):
        refused = await moderator.refused("case.decide", case_id=case_id, action=action, reason="spam")
        assert refused.fields == ["action"]
    decided = await moderator.call("case.decide", case_id=case_id, action="remove", reason="spam")
    for each in (host, sender, reporter):
        assert (await each.expect("room.message_deleted", room_id=room))["message_id"] == message
        assert await listed(each, room) == []
    appeal = await sender.call("appeal.create", decision_id=decided["decision_id"], text="It was a joke.")
    assert await case_of(cluster, "room_message", message) != case_id
    await other.call("appeal.decide", appeal_id=appeal["id"], outcome="overturned")
    for each in (host, sender, reporter):
        assert await listed(each, room) == ["a threat"]
