"""The posts that belong into feeds, by the database functions alone."""

from collections.abc import Iterable
from typing import Any

import pytest

from tests.storage.functions.rows import LAST, Rows

# ---------------------------------------------------------------------------------------------- large_author_post_ids


async def test_large_author_post_ids_are_published_posts_for_followers(rows: Rows):
    alice, star = await rows.user(), await rows.user(is_large=True)
    await rows.follow(alice, star)
    public, followers = await rows.post(star), await rows.post(star, "followers")
    await rows.post(star, status="deleted")
    await rows.post(star, "private")
    await rows.post(star, "circle", circle_id=await rows.circle(star, alice))
    assert await rows.list(alice, "large_author_post_ids", LAST, 9) == [followers, public]


async def test_large_author_post_ids_are_of_large_authors_whom_the_viewer_follows(rows: Rows):
    alice, bob, small = await rows.users(3)
    star, asked, stranger = [await rows.user(is_large=True) for _ in range(3)]
    await rows.follow(alice, star)
    await rows.follow(alice, small)
    await rows.follow(alice, asked, "pending")
    await rows.follow(bob, stranger)
    posts = {author: await rows.post(author) for author in (star, small, asked, stranger)}
    assert await rows.list(alice, "large_author_post_ids", LAST, 9) == [posts[star]]


async def test_large_author_post_ids_are_the_newest_before_an_id(rows: Rows):
    alice, one, another = await rows.user(), await rows.user(is_large=True), await rows.user(is_large=True)
    for star in (one, another):
        await rows.follow(alice, star)
    posts = [await rows.post(author) for author in (one, another, one, one)]
    assert await rows.list(alice, "large_author_post_ids", posts[3], 2) == [posts[2], posts[1]]


async def test_large_author_post_ids_leave_no_newer_post_out(rows: Rows):
    """However many of the newest posts one author has written."""
    alice, busy, slow, silent = await rows.user(), *[await rows.user(is_large=True) for _ in range(3)]
    for star in (busy, slow, silent):
        await rows.follow(alice, star)
    posts = [await rows.post(author) for author in [slow, *[busy] * 30, slow, *[busy] * 30]]
    for amount in (1, 5, 31, 45, 62, 99):
        assert await rows.list(alice, "large_author_post_ids", LAST, amount) == posts[::-1][:amount]
    assert await rows.list(alice, "large_author_post_ids", posts[40], 35) == posts[39:4:-1]


# ---------------------------------------------------------------------------------------------- inbox_post_ids


async def test_inbox_post_ids_are_published_posts_of_followed_users(rows: Rows):
    alice, bob, asked, stranger = await rows.users(4)
    await rows.follow(alice, bob)
    await rows.follow(alice, asked, "pending")
    await rows.follow(bob, stranger)
    public, followers = await rows.post(bob), await rows.post(bob, "followers")
    await rows.post(bob, status="deleted")
    await rows.post(bob, "private")
    for author in (asked, stranger, alice):
        await rows.post(author)
    assert await rows.list(alice, "inbox_post_ids", 9) == [followers, public]


async def test_inbox_post_ids_have_posts_of_circles_with_the_viewer(rows: Rows):
    alice, bob, carol, star = *await rows.users(3), await rows.user(is_large=True)
    for author in (bob, star):
        await rows.follow(alice, author)
    posts = [
        await rows.post(author, "circle", circle_id=circle)
        for author, circle in (
            (bob, await rows.circle(bob, alice)),
            (star, await rows.circle(star, alice)),
            (bob, await rows.circle(bob, carol)),
            (bob, await rows.circle(carol, alice)),  # reuses the id of a circle of another user
        )
    ]
    assert await rows.list(alice, "inbox_post_ids", 9) == [posts[1], posts[0]]


async def test_inbox_post_ids_leave_posts_of_large_authors_to_the_read(rows: Rows):
    alice, star = await rows.user(), await rows.user(is_large=True)
    await rows.follow(alice, star)
    await rows.post(star)
    await rows.post(star, "followers")
    assert await rows.list(alice, "inbox_post_ids", 9) == []


async def test_inbox_post_ids_have_posts_that_mention_the_viewer(rows: Rows):
    alice, stranger = await rows.users(2)
    post, other = await rows.post(stranger), await rows.post(stranger)
    await rows.add("post_mentions", post_id=post, author_id=stranger, user_id=alice)
    await rows.add("post_mentions", post_id=other, author_id=stranger, user_id=stranger)
    assert await rows.list(alice, "inbox_post_ids", 9) == [post]


async def test_inbox_post_ids_are_the_newest(rows: Rows):
    alice, bob = await rows.users(2)
    await rows.follow(alice, bob)
    posts = [await rows.post(bob) for _ in range(3)]
    assert await rows.list(alice, "inbox_post_ids", 2) == [posts[2], posts[1]]


# ---------------------------------------------------------------------------------------------- feed_ranking


async def candidates(rows: Rows, viewer: int, *inbox: int, amount: int = 9) -> list[int]:
    """The posts that are ranked, newest first."""
    return sorted(await ranking(rows, viewer, inbox, amount=amount), reverse=True)


async def ranking(
    rows: Rows,
    viewer: int,
    inbox: Iterable[int],
    beyond: Iterable[int] = (),
    *,
    amount: int = 99,
    asked: int | None = None,
) -> dict[int, Any]:
    """The rows of `feed_ranking` by post id, best first."""
    found = await rows.list(viewer, "feed_ranking", [*inbox], [*beyond], amount, await rows.now(), False, asked)
    return {each["post_id"]: each for each in sorted(found, key=lambda each: each["score"], reverse=True)}


async def test_ranked_posts_are_the_newest_of_inbox_and_large_authors(rows: Rows):
    alice, bob, star = *await rows.users(2), await rows.user(is_large=True)
    for author in (bob, star):
        await rows.follow(alice, author)
    posts = [await rows.post(author) for author in (bob, star, bob, star)]
    assert await candidates(rows, alice, posts[0], posts[2]) == posts[::-1]
    assert await candidates(rows, alice, posts[0], posts[2], amount=3) == posts[:0:-1]


async def test_ranked_posts_are_published_posts_of_others(rows: Rows):
    alice, bob = await rows.users(2)
    await rows.follow(alice, bob)
    inbox = [
        await rows.post(bob),
        await rows.post(bob, status="deleted"),
        await rows.post(alice, mention_ids=[alice]),
    ]
    assert await candidates(rows, alice, *inbox) == [inbox[0]]


@pytest.mark.parametrize("status", ["suspended", "deleted"])
async def test_ranked_posts_are_posts_of_active_users(rows: Rows, status: str):
    alice, gone = await rows.user(), await rows.user(status=status)
    await rows.follow(alice, gone)
    assert await candidates(rows, alice, await rows.post(gone)) == []


@pytest.mark.parametrize("hides", ["blocks", "is blocked", "mutes all", "mutes posts"])
async def test_ranked_posts_are_not_of_users_hidden_from_the_viewer(rows: Rows, hides: str):
    """Also without the end of the follow and the rule of the policy, which hide posts of blocked users once more."""
    alice, bob = await rows.users(2)
    await rows.follow(alice, bob)
    post = await rows.post(bob)
    assert await candidates(rows, alice, post) == [post]
    if hides == "blocks":
        await rows.block(alice, bob)
    elif hides == "is blocked":
        await rows.block(bob, alice)
    else:
        await rows.mute(alice, bob, hides.removeprefix("mutes "))
    assert await candidates(rows, alice, post) == []


async def test_ranked_posts_of_users_whom_the_viewer_does_not_follow_mention_the_viewer(rows: Rows):
    alice, stranger, asked = await rows.users(3)
    await rows.follow(alice, asked, "pending")
    for author in (stranger, asked):
        named, other = await rows.post(author, mention_ids=[alice]), await rows.post(author, mention_ids=[author])
        assert await candidates(rows, alice, named, other) == [named]


@pytest.mark.parametrize(("visibility", "sees"), [("public", "both"), ("followers", "follower"), ("private", "nobody")])
async def test_ranked_posts_are_visible_to_the_viewer(rows: Rows, visibility: str, sees: str):
    follower, stranger, bob = await rows.users(3)
    await rows.follow(follower, bob)
    post = await rows.post(bob, visibility, mention_ids=[follower, stranger])
    assert await candidates(rows, follower, post) == ([post] if sees != "nobody" else [])
    assert await candidates(rows, stranger, post) == ([post] if sees == "both" else [])


async def test_ranked_posts_of_a_circle_are_for_its_members(rows: Rows):
    member, follower, bob = await rows.users(3)
    for user in (member, follower):
        await rows.follow(user, bob)
    post = await rows.post(bob, "circle", circle_id=await rows.circle(bob, member))
    assert await candidates(rows, member, post) == [post]
    assert await candidates(rows, follower, post) == []


# ---------------------------------------------------------------------------------------------- originals_shared_above


async def test_originals_shared_above_are_of_shares_of_followed_users_from_an_id_up(rows: Rows):
    alice, bob, stranger, star = *await rows.users(3), await rows.user(is_large=True)
    await rows.follow(alice, star)
    await rows.follow(alice, bob)
    originals = [await rows.post(bob) for _ in range(5)]
    below = await rows.post(bob, shared_post_id=originals[0])
    stored = await rows.post(bob, shared_post_id=originals[1])
    await rows.post(star, shared_post_id=originals[2])
    await rows.post(bob, shared_post_id=originals[3])  # in no feed of the viewer's
    naming = await rows.post(stranger, shared_post_id=originals[4], mention_ids=[alice])
    inbox = [below, stored, originals[0], naming]
    found = await rows.list(alice, "originals_shared_above", inbox, stored, 9)
    assert sorted(found) == [originals[1], originals[2]]


async def test_originals_shared_above_are_of_shares_that_the_viewer_sees(rows: Rows):
    alice, bob, gone = *await rows.users(2), await rows.user(status="suspended")
    for author in (bob, gone):
        await rows.follow(alice, author)
    original = await rows.post(bob)
    hidden = [
        await rows.post(bob, "private", shared_post_id=original),
        await rows.post(bob, shared_post_id=original, status="deleted"),
        await rows.post(gone, shared_post_id=original),
    ]
    assert await rows.list(alice, "originals_shared_above", hidden, 0, 9) == []
