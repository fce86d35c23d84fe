"""Sketches of views, which Redis computes, on one server and on a cluster."""

from storage.views import DueSketch, Sketches

POSTS = range(1, 41)  # on all servers of a cluster
MANY = 2_500


async def test_a_sketch_counts_each_member_once(any_shards):
    sketches = Sketches(any_shards)
    first = await sketches.add([DueSketch(post_id, None, ["1:1", "2:1"]) for post_id in POSTS])
    assert [each.estimate for each in first] == [2] * len(POSTS)
    more = [f"{number}:1" for number in range(MANY)]
    second = await sketches.add(
        [DueSketch(post_id, each.bytes, more) for post_id, each in zip(POSTS, first, strict=True)]
    )
    assert all(abs(each.estimate - MANY) < MANY / 50 for each in second)


async def test_redis_keeps_no_sketch(any_shards):
    sketches = Sketches(any_shards)
    [first] = await sketches.add([DueSketch(1, None, ["1:1"])])
    [second] = await sketches.add([DueSketch(1, None, ["2:1"])])
    assert (first.estimate, second.estimate) == (1, 1)
