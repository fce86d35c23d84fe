"""Both codecs, frame by frame, tested against the official decoders."""

import json

import msgpack
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import errors, wire
from protocol.posts import CreatePost, FeedRemoved

PUSH = FeedRemoved(id="feed.removed:1", post_id="1")


def one_payload(frame: bytes) -> bytes | str:
    [payload] = wire.frame_payloads(frame)
    return payload


def test_pushes_end_in_an_object_and_data_is_the_last_key():
    payload = one_payload(wire.MSGPACK.push(PUSH))
    assert isinstance(payload, bytes)
    packet = msgpack.unpackb(payload)
    assert list(packet) == ["type", "nsp", "data"]
    assert packet["data"] == ["feed.removed", {"id": "feed.removed:1", "post_id": "1"}]
    assert one_payload(wire.JSON.push(PUSH)) == '2["feed.removed",{"id":"feed.removed:1","post_id":"1"}]'


def test_a_disconnect_has_no_data_key():
    payload = one_payload(wire.MSGPACK.disconnect())
    assert isinstance(payload, bytes)
    assert msgpack.unpackb(payload) == {"type": 1, "nsp": "/"}
    assert one_payload(wire.JSON.disconnect()) == "1"


def test_connect_and_its_refusal():
    for codec, read in ((wire.MSGPACK, lambda p: msgpack.unpackb(p)["data"]), (wire.JSON, lambda p: json.loads(p[1:]))):
        assert read(one_payload(codec.connect("sid"))) == {"sid": "sid"}
        refusal = read(one_payload(codec.connect_error("no", {"code": "UNAUTHENTICATED"})))
        assert refusal == {"message": "no", "data": {"code": "UNAUTHENTICATED"}}
    assert one_payload(wire.JSON.connect_error("no", None, "/x")) == '4/x,{"message":"no"}'


@pytest.mark.parametrize("length", [0, 125, 126, 65_535, 65_536, 200_000])
def test_frames_of_every_length_class(length):
    frame = wire.MSGPACK.ack(1, {"x": "y" * length})
    payload = one_payload(frame)
    assert msgpack.unpackb(payload)["data"] == [{"x": "y" * length}]
    assert wire.frame_payloads(frame + frame) == [payload, payload]


def test_a_call_in_both_codecs():
    packet = wire.MSGPACK.decode(
        msgpack.packb(
            {"type": 2, "data": ["post.create", {"text": "x"}], "options": {"compress": True}, "nsp": "/", "id": 7}
        )
    )
    assert (packet.name, packet.id) == ("post.create", 7)
    assert wire.MSGPACK.decode_argument(packet.argument, CreatePost).text == "x"
    packet = wire.JSON.decode('27["post.create",{"text":"x"}]')
    assert (packet.name, packet.id) == ("post.create", 7)
    assert wire.JSON.decode_argument(packet.argument, CreatePost).text == "x"


def test_an_absent_argument_is_an_empty_object():
    for absent in ('2["a"]', '2["a",null]'):
        assert wire.JSON.decode(absent).argument is None
    for absent in (["a"], ["a", None]):
        assert wire.MSGPACK.decode(msgpack.packb({"type": 2, "data": absent, "nsp": "/"})).argument is None
    with pytest.raises(errors.CallError, match="text"):
        wire.JSON.decode_argument(None, CreatePost)


def test_undefined_is_omitted_and_null_kept_at_any_depth():
    undefined = msgpack.ExtType(0, b"\0")

    class Inner(msgspec.Struct, forbid_unknown_fields=True):
        there: int | None | msgspec.UnsetType = msgspec.UNSET
        other: int | None | msgspec.UnsetType = msgspec.UNSET

    class Outer(msgspec.Struct):
        inner: Inner
        many: list[int | None]

    argument = msgpack.packb({"inner": {"there": None, "other": undefined}, "many": [undefined, 1], "gone": undefined})
    assert wire.MSGPACK.decode_argument(argument, Outer) == Outer(Inner(there=None), [None, 1])


def test_binary_in_place_of_a_text_names_the_field():
    packet = wire.JSON.decode('52-3["post.create",{"text":{"_placeholder":true,"num":1}}]')
    assert wire.add_attachment(packet, b"zero") is False
    assert wire.add_attachment(packet, b"one") is True
    with pytest.raises(errors.CallError) as caught:
        wire.JSON.decode_argument(packet.argument, CreatePost)
    assert caught.value.details[0].field == "text"


def test_namespaces_are_read():
    assert wire.JSON.decode('0/admin,{"token":"x"}').namespace == "/admin"
    assert wire.JSON.decode("1/admin,").namespace == "/admin"


@settings(max_examples=500)
@given(st.text())
def test_no_text_frame_breaks_the_decoder(frame):
    try:
        packet = wire.JSON.decode(frame)
        wire.JSON.decode_argument(packet.argument, CreatePost)
    except (wire.Unreadable, errors.CallError):
        return


@settings(max_examples=500)
@given(
    st.binary()
    | st.recursive(st.none() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary(), st.lists).map(msgpack.packb)
)
def test_no_binary_frame_breaks_the_decoder(frame):
    for data in (frame, b"\x82\xa4type\x02\xa4data\x92\xa1a" + frame):
        try:
            packet = wire.MSGPACK.decode(data)
            wire.MSGPACK.decode_argument(packet.argument, CreatePost)
        except (wire.Unreadable, errors.CallError):
            continue


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
        lambda c: st.lists(c) | st.dictionaries(st.text(), c),
    )
)
def test_answers_are_equal_in_both_codecs(value):
    answer = wire.Ok(value)
    as_msgpack = msgpack.unpackb(one_payload(wire.MSGPACK.ack(1, answer)), strict_map_key=False)["data"][0]
    as_json = json.loads(one_payload(wire.JSON.ack(1, answer))[2:])[0]
    assert as_msgpack == as_json == {"data": value, "ok": True}


def test_messages_of_the_decoder_name_the_field():
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b'{"text":"x","media_ids":["1",2]}', type=CreatePost)
    assert wire.invalid_argument(caught.value).details[0].field == "media_ids[1]"
