"""Deliveries of sampled pushes are steps of their traces, however they are written."""

import msgspec
import pytest

from channels import delivery as module
from channels.delivery import Delivery, Item
from channels.messages import Recipients, decode_frames, encode_push, finish, offset_text
from protocol.posts import PostDeleted
from tests.channels.people import members_in
from tests.tracing.sinks import Kept
from tracing import traces

ROOM = "post:1"


@pytest.fixture
def kept():
    kept = Kept()
    traces.send_to(kept)
    yield kept
    traces.send_to(None)


def pushed(number: int, trace: str = "") -> Item:
    frames = encode_push(PostDeleted(id=f"push {number}", post_id="1"), trace=trace)
    return Item(ROOM, (), finish(frames, ROOM, offset_text(0, number)))


def parent(number: int, sampled: str = "01") -> str:
    return f"00-{number:032x}-{number:016x}-{sampled}"


def deliveries(kept: Kept) -> list[tuple[int, str, object]]:
    """Return the deliveries of the traces that this test begins."""
    ours = [(trace.id, span) for trace, span in kept.spans if trace.id < 10]
    return [(trace_id, span.name, span.attributes["daira.sockets"]) for trace_id, span in ours]


async def test_of_gathered_pushes_each_is_a_step_of_its_own_trace(kept, monkeypatch):
    monkeypatch.setattr(module, "HOT_WRITES", 1)
    members, [alice, _] = members_in(ROOM, 1, 2)
    delivery = Delivery(members)
    for number, trace in enumerate((parent(1), parent(2), "", parent(4, "00"), parent(5)), start=1):
        delivery.take(pushed(number, trace))
    await delivery.settled()
    assert len(alice.received) == 2  # one alone, then four together
    assert deliveries(kept) == [(number, "deliver post.deleted", 2) for number in (1, 2, 5)]


async def test_a_delivery_in_slices_is_one_step_with_all_sockets(kept, monkeypatch):
    monkeypatch.setattr(module, "SLICE_WRITES", 2)
    members, sockets = members_in(ROOM, *range(5))
    delivery = Delivery(members)
    delivery.take(pushed(1, parent(1)))
    assert deliveries(kept) == []
    await delivery.settled()
    assert all(socket.heard == ["push 1"] for socket in sockets)
    assert deliveries(kept) == [(1, "deliver post.deleted", 5)]


async def test_clients_get_the_same_frames(kept):
    with_trace, without = pushed(1, parent(1)).written, pushed(1).written
    assert (with_trace.msgpack, with_trace.json) == (without.msgpack, without.json)


def test_nodes_of_other_releases_understand_the_frames():
    """New fields are the last ones: older nodes ignore them, and frames of older nodes lack them."""
    recipients = Recipients(not_to=7, only_to=8, own_to=[9], ages="adults")
    push = encode_push(PostDeleted(id="push 1", post_id="1"), trace=parent(1), **recipients)
    fields = msgspec.msgpack.decode(msgspec.msgpack.encode(push))
    assert fields[-5:] == [parent(1), 7, 8, [9], "adults"]
    to_all = decode_frames(msgspec.msgpack.encode(fields[:-3]))
    assert (to_all.trace, to_all.not_to, to_all.only_to, to_all.own_to, to_all.ages) == (parent(1), 7, 0, [], "all")
    untraced = decode_frames(msgspec.msgpack.encode(fields[:-5]))
    assert (untraced.trace, untraced.not_to) == ("", 0)
    assert decode_frames(msgspec.msgpack.encode([*fields, "of a newer node"])) == push
