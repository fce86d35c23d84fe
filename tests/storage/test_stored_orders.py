"""Orders of ranked lists: kept by a token, on one server and on a cluster."""

from storage.feed_ranking import FeedOrder
from storage.search import SearchPlace
from storage.stored_orders import StoredOrders


async def test_the_order_of_a_ranked_feed_is_kept(any_shards):
    orders = StoredOrders(any_shards, "ranked", FeedOrder)
    assert await orders.read("token") is None
    order = FeedOrder([1, 2], [0.5, 0.25], {2: ("exploration", 0.125)})
    await orders.keep("token", order)
    assert await orders.read("token") == order


async def test_orders_of_different_lists_are_apart(any_shards):
    found, posts = StoredOrders(any_shards, "search", list[SearchPlace]), StoredOrders(any_shards, "hashtag", list[int])
    await found.keep("token", [("post", 1, ""), ("hashtag", 2, "cairo")])
    await posts.keep("token", [2, 1])
    assert await found.read("token") == [("post", 1, ""), ("hashtag", 2, "cairo")]
    assert await posts.read("token") == [2, 1]
