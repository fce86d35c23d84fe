"""Sessions in Redis: what is asked of which shard, and how the answers are read. The scripts have their own tests."""

import pytest
from msgspec.msgpack import encode

from channels import recovery as module
from channels.messages import Superseded, encode_push
from channels.recovery import (
    CLAIM,
    ENTER,
    LEAVE,
    READ_CHANNEL,
    READ_INBOX,
    WATCH,
    Claimed,
    Offset,
    Recovery,
    WatchedChannel,
)
from channels.redis_keys import RedisKeys
from protocol.posts import PostDeleted
from tests.channels.shards import FakeShards

CLOCK = 1_700_000_000_000_000
PLACE = ("node/pid", module.LIFETIME_S, 5, module.SESSION_LIFETIME_S, "node")


def body(push_id: str) -> bytes:
    return encode(encode_push(PostDeleted(id=push_id, post_id="1")))


def recovering(amount: int = 1) -> tuple[Recovery, FakeShards]:
    shards = FakeShards(amount)
    return Recovery(shards, RedisKeys(shards), "node"), shards


# ---------------------------------------------------------------------------------------------- offsets


def test_an_offset_is_a_shard_and_its_clock():
    assert Offset.parse("00631700000000000000") == Offset(63, CLOCK)
    assert Offset(63, CLOCK).text == "00631700000000000000"


@pytest.mark.parametrize("text", ["", "1" * 19, "1" * 21, "x" * 20, "1" * 19 + "\n", "-" + "1" * 19, "١" * 20])
def test_other_texts_are_no_offsets(text):
    assert Offset.parse(text) is None


# ---------------------------------------------------------------------------------------------- entering and leaving


async def test_a_session_is_recorded_on_the_shard_of_its_user():
    recovery, shards = recovering(4)
    shards.answers[None, ENTER] = b"%d" % CLOCK
    assert await recovery.enter(7, 5, "pid") == Offset(3, CLOCK)
    assert shards.log == [(3, ENTER, ["3:clock", "3:at:7", "3:session:pid"], [*PLACE])]


def test_changes_of_a_record_are_sent_without_waiting():
    recovery, shards = recovering(4)
    recovery.forget_channel(7, "pid", "book:1")
    recovery.renew(7, "pid")
    recovery.forget(7, "pid")
    assert shards.log == [
        (3, "HDEL", "3:session:pid", "channel:book:1"),
        (3, "EXPIRE", "3:session:pid", module.SESSION_LIFETIME_S),
        (3, "DEL", "3:session:pid"),
    ]


@pytest.mark.parametrize(("goodbye", "seconds"), [(True, 0), (False, 120)])
def test_a_client_that_may_reconnect_has_two_minutes(goodbye, seconds):
    recovery, shards = recovering(4)
    recovery.leave(7, "pid", 2, goodbye=goodbye)
    assert shards.log == [(3, "EVALSHA", LEAVE.digest, 2, "3:at:7", "3:session:pid", "node/pid", 2, seconds)]


async def test_a_channel_is_added_to_the_record():
    recovery, shards = recovering(4)
    await recovery.remember_channel(7, "pid", "book:1", 9)
    assert shards.log == [(3, WATCH, ["3:clock", "3:session:pid"], ["book:1", 9, 500])]


def test_records_are_kept_as_documented():
    assert (module.SESSION_LIFETIME_S, module.MOST_CHANNELS_KEPT, module.OTHER_SHARDS_MARGIN_US) == (
        6 * 3_600, 500, 5_000_000,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------- claiming


async def test_a_claim_tells_what_is_known_of_the_session():
    recovery, shards = recovering()
    channels = [b"book:1", b"[9,50]", b"film:1", b"[8,60]"]
    missed = [b"%d" % (CLOCK + 1), body("one"), b"%d" % (CLOCK + 2), body("two")]
    shards.answers[None, CLAIM] = [b"%d" % (CLOCK + 9), 3, b"older", channels, missed]
    claimed, superseded, node = await recovery.claim(7, 5, "pid", Offset(0, CLOCK))
    keys = ["0:clock", "0:at:7", "0:session:pid", "0:inbox:7", "0:cut:7"]
    assert shards.log == [(0, CLAIM, keys, [*PLACE, CLOCK, "0:body:", "pid"])]
    assert claimed == Claimed(
        Offset(0, CLOCK + 9), 3, {"book:1": WatchedChannel(9, 50), "film:1": WatchedChannel(8, 60)}, claimed.missed
    )
    assert [(each.id, each.offset, each.channel) for each in claimed.missed] == [
        ("one", CLOCK + 1, ""), ("two", CLOCK + 2, ""),
    ]  # fmt: skip
    assert (superseded, node) == (Superseded("pid", 2), "older")


async def test_what_cannot_be_claimed_is_none():
    recovery, _ = recovering()
    assert await recovery.claim(7, 5, "pid", Offset(0, CLOCK)) is None


@pytest.mark.parametrize(("shard", "is_asked"), [(3, True), (4, False), (9999, False)])
async def test_an_offset_of_a_shard_that_does_not_exist_claims_nothing(shard, is_asked):
    recovery, shards = recovering(4)
    assert await recovery.claim(7, 5, "pid", Offset(shard, CLOCK)) is None
    assert bool(shards.log) is is_asked


@pytest.mark.parametrize(("channels", "missed"), [([b"book:1"], []), ([], [b"1"]), ([b"book:1", b"[9,50]", b"x"], [])])
async def test_a_torn_answer_is_not_read_in_part(channels, missed):
    recovery, shards = recovering()
    shards.answers[None, CLAIM] = [b"1", 3, b"older", channels, missed]
    with pytest.raises(ValueError):
        await recovery.claim(7, 5, "pid", Offset(0, CLOCK))


# ---------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(("shard", "read_from"), [(0, CLOCK), (1, CLOCK - 5_000_000), (3, CLOCK - 5_000_000)])
async def test_clocks_of_shards_differ_so_that_others_than_that_of_an_offset_are_read_from_earlier(shard, read_from):
    recovery, shards = recovering(4)
    await recovery.claim(8, 5, "pid", Offset(shard, CLOCK))
    await recovery.read_channels({"book:4": Offset(shard, CLOCK)})
    await recovery.read_inboxes({8: Offset(shard, CLOCK)})
    assert [next(each for each in arguments if each == read_from) for *_, arguments in shards.log] == [read_from] * 3


@pytest.mark.parametrize(
    ("channel", "last", "clock"),
    [
        ("book:1", Offset(1, 60), 60),
        ("book:1", Offset(1, 40), 40),  # it joined by the clock of another shard, which may be ahead
        ("book:0", Offset(0, 40), 50),
        ("book:2", Offset(0, 40), 50),
    ],
)
def test_a_channel_is_read_from_where_its_socket_joined(channel, last, clock):
    recovery, _ = recovering(4)
    assert recovery.first_missed(8, channel, WatchedChannel(9, 50), last) == Offset(last.shard, clock)


async def test_channels_are_read_from_their_shards():
    recovery, shards = recovering(2)
    shards.answers[0, READ_CHANNEL] = None
    shards.answers[1, READ_CHANNEL] = [b"%d" % CLOCK, body("one"), b"%d" % (CLOCK + 1), body("two")]
    since = {"book:3": Offset(1, CLOCK), "book:4": Offset(0, CLOCK)}
    found = await recovery.read_channels(since)
    assert found["book:4"] is None
    assert [(each.id, each.shard, each.offset, each.channel) for each in found["book:3"]] == [
        ("one", 1, CLOCK, "book:3"), ("two", 1, CLOCK + 1, "book:3"),
    ]  # fmt: skip
    assert [(shard, keys) for shard, _, keys, _ in shards.log] == [
        (1, ["1:clock", "1:log:book:3", "1:bodies:book:3", "1:state:book:3"]),
        (0, ["0:clock", "0:log:book:4", "0:bodies:book:4", "0:state:book:4"]),
    ]


async def test_inboxes_are_read_from_the_shards_of_their_users():
    recovery, shards = recovering(2)
    shards.answers[0, READ_INBOX] = None
    shards.answers[1, READ_INBOX] = [b"%d" % CLOCK, body("one")]
    found = await recovery.read_inboxes({7: Offset(1, CLOCK), 8: Offset(0, CLOCK)})
    assert found[8] is None
    assert [(each.id, each.shard, each.offset, each.channel) for each in found[7]] == [("one", 1, CLOCK, "")]
    assert [(shard, keys, arguments[1]) for shard, _, keys, arguments in shards.log] == [
        (1, ["1:clock", "1:inbox:7", "1:cut:7"], "1:body:"), (0, ["0:clock", "0:inbox:8", "0:cut:8"], "0:body:"),
    ]  # fmt: skip
