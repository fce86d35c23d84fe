"""The audience of a post: the users whose feeds take it.

Posts of authors below LARGE_FROM followers are written into stored feeds. Posts of larger authors are merged in when a
feed is read. An author becomes small again below SMALL_BELOW, so that one who gains and loses a follower does not
change class each time.
"""

from collections.abc import Sequence

from storage import circles, graph
from storage.database import Transaction
from storage.posts import FanoutRow

LARGE_FROM = 10_000  # followers
SMALL_BELOW = 9_000
FEW_FOLLOWERS = 1_000  # of authors with no more, the followers of many are read at once


async def of_posts(tx: Transaction, posts: Sequence[FanoutRow]) -> dict[int, list[int]]:
    """By post, the users whose feeds take it; for a large author, only the users that the post mentions."""
    authors = {post["author_id"] for post in posts if post["follower_count"] <= FEW_FOLLOWERS}
    followers = await graph.listening_followers(tx, list(authors), limit=LARGE_FROM) if authors else {}
    return {post["id"]: await _of_post(tx, post, followers.get(post["author_id"])) for post in posts}


async def of_post(tx: Transaction, post: FanoutRow) -> list[int]:
    """The same for one post."""
    return (await of_posts(tx, [post]))[post["id"]]


async def _of_post(tx: Transaction, post: FanoutRow, followers: list[int] | None) -> list[int]:
    """followers: of the author who listen, if they are read already."""
    match post["visibility"]:
        case "private":
            return []
        case "circle":
            assert post["circle_id"] is not None  # the table checks it
            return await circles.listening_members(tx, post["circle_id"], post["author_id"])
    mentioned = await mentioned_in(tx, post)
    if post["is_large"]:
        return mentioned
    if followers is None:
        [followers] = (await graph.listening_followers(tx, [post["author_id"]], limit=LARGE_FROM)).values()
    return list(dict.fromkeys([*followers, *mentioned]))


async def mentioned_in(tx: Transaction, post: FanoutRow) -> list[int]:
    """The users that a public post of an open account mentions, without those who block or mute its author."""
    mentioned = [user_id for user_id in post["mention_ids"] if user_id != post["author_id"]]
    if not mentioned or post["visibility"] != "public" or post["is_private"]:
        return []
    hiding = await graph.who_hide_posts(tx, post["author_id"], mentioned)
    return [user_id for user_id in mentioned if user_id not in hiding]
