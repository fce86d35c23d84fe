"""Posts, by the database functions alone: who may see one, their counts, and events of them."""

import pytest

from tests.storage.functions.rows import Rows


@pytest.mark.parametrize(
    ("visibility", "is_private", "viewers"),
    [
        ("public", False, "author follower asker stranger member"),
        ("public", True, "author follower"),
        ("followers", False, "author follower"),
        ("circle", False, "author member"),
        ("private", False, "author"),
        ("private", True, "author"),
    ],
)
async def test_post_visible(rows: Rows, visibility: str, is_private: bool, viewers: str):
    author = await rows.user(is_private=is_private)
    people = {"author": author, **await rows.audience(author, "member", "blocker", "blocked")}
    for name in ("blocker", "blocked"):
        await rows.follow(people[name], author)
    await rows.block(people["blocker"], author)
    await rows.block(author, people["blocked"])
    circle = await rows.circle(author, people["member"], people["blocker"])
    seen = {name for name, user in people.items() if await rows.ask(user, "post_visible", author, visibility, circle)}
    assert seen == set(viewers.split())
    assert not await rows.ask(None, "post_visible", author, visibility, circle)


async def test_post_visible_asks_the_circle_of_the_author(rows: Rows):
    author, other, alice = await rows.users(3)
    await rows.circle(author, alice)
    for circle in (await rows.circle(author, other), await rows.circle(other, alice)):
        assert not await rows.ask(alice, "post_visible", author, "circle", circle)


async def test_posts_counted(rows: Rows):
    alice, bob = await rows.users(2)

    async def count() -> list[int]:
        found = await rows.table("SELECT post_count FROM users WHERE id IN ($1, $2) ORDER BY id", alice, bob)
        return [each for (each,) in found]

    values = {"author_id": alice, "text": "", "visibility": "public", "reply_policy": "everyone"}
    for post in (1, 2):
        await rows.write("posts", id=post, **values)
    assert await count() == [2, 0]
    await rows.connection.execute("UPDATE posts SET status = 'published' WHERE id = 1")
    assert await count() == [2, 0]
    await rows.connection.execute("UPDATE posts SET status = 'deleted' WHERE id = 1")
    assert await count() == [1, 0]
    await rows.connection.execute("UPDATE posts SET status = 'deleted' WHERE id = 1")
    assert await count() == [1, 0]


async def test_may_tell_of_post_that_is_the_viewers(rows: Rows):
    alice, bob = await rows.users(2)
    post, deleted, of_bob = await rows.post(alice), await rows.post(alice, status="deleted"), await rows.post(bob)

    async def may(topic: str, post_id: int, *, key: int = alice, author: int = alice) -> bool:
        return await rows.may_tell(alice, "may_tell_of_post", topic, key, post_id=post_id, author_id=author)

    for topic in ("post.created", "post.edited"):
        assert await may(topic, post)
        assert not await may(topic, deleted)
    assert await may("post.deleted", deleted)
    assert not await may("post.deleted", post)
    assert not await may("post.pinned", post)
    assert not await may("post.created", post, key=bob)
    assert not await may("post.created", post, author=bob)
    assert not await may("post.created", post, key=bob, author=bob)
    assert not await may("post.created", of_bob)
    assert not await may("post.created", 0)


# ---------------------------------------------------------------------------------------------- may_share, may_view


async def test_what_everybody_may_see_can_be_shared(rows: Rows):
    alice, bob = await rows.users(2)
    await rows.follow(alice, bob)
    public = await rows.post(bob)
    assert await rows.ask(alice, "may_share", public)
    assert await rows.ask(bob, "may_share", public)
    others = [
        await rows.post(bob, "followers"),
        await rows.post(bob, "private"),
        await rows.post(bob, status="deleted"),
        await rows.post(bob, shared_post_id=public),
    ]
    for viewer in (alice, bob):
        for post in others:
            assert not await rows.ask(viewer, "may_share", post)
    assert not await rows.ask(None, "may_share", public)


async def test_posts_of_private_suspended_and_blocked_accounts_cannot_be_shared(rows: Rows):
    alice = await rows.user()
    private, gone, blocked = await rows.user(is_private=True), await rows.user(status="suspended"), await rows.user()
    for author in (private, gone, blocked):
        await rows.follow(alice, author)
    await rows.block(alice, blocked)
    for author in (private, gone, blocked):
        assert not await rows.ask(alice, "may_share", await rows.post(author))


async def test_a_view_counts_of_what_another_user_has_written_and_the_viewer_sees(rows: Rows):
    alice, bob = await rows.users(2)
    public, followers = await rows.post(bob), await rows.post(bob, "followers")
    assert await rows.ask(alice, "may_view", public)
    assert not await rows.ask(alice, "may_view", followers)
    assert not await rows.ask(bob, "may_view", public)
    assert not await rows.ask(None, "may_view", public)


# ---------------------------------------------------------------------------------------------- visible_post_ids


@pytest.mark.parametrize("visibility", ["public", "followers", "circle", "private"])
@pytest.mark.parametrize("is_private", [False, True])
async def test_visible_post_ids_are_those_that_sees_post_admits(rows: Rows, visibility: str, is_private: bool):
    author = await rows.user(is_private=is_private)
    viewers = await rows.audience(author, "member")
    circle = await rows.circle(author, viewers["member"])
    post = await rows.post(author, visibility, circle_id=circle if visibility == "circle" else None)
    for viewer in (author, None, *viewers.values()):
        expected = [post] if await rows.ask(viewer, "sees_post", post) else []
        assert await rows.list(viewer, "visible_post_ids", [post]) == expected


async def test_visible_post_ids_are_published_and_of_active_users(rows: Rows):
    viewer, author, gone = *await rows.users(2), await rows.user(status="suspended")
    posts = [await rows.post(author), await rows.post(author, status="deleted"), await rows.post(gone)]
    assert await rows.list(viewer, "visible_post_ids", posts) == posts[:1]


@pytest.mark.parametrize("hides", ["blocks", "is blocked", "mutes all", "mutes posts", "mutes stories"])
async def test_visible_post_ids_are_not_of_users_hidden_from_the_viewer(rows: Rows, hides: str):
    viewer, author, other = await rows.users(3)
    post = await rows.post(author)
    shares = [await rows.post(other, shared_post_id=post, text=text) for text in ("", "look")]
    if hides == "blocks":
        await rows.block(viewer, author)
    elif hides == "is blocked":
        await rows.block(author, viewer)
    else:
        await rows.mute(viewer, author, hides.removeprefix("mutes "))
    expected = [post, *shares] if hides == "mutes stories" else []
    assert sorted(await rows.list(viewer, "visible_post_ids", [post, *shares])) == expected


async def test_a_share_without_a_text_is_visible_if_it_shows_something(rows: Rows):
    viewer, author, other = await rows.users(3)
    post = await rows.post(author, status="deleted")
    bare, quote = [await rows.post(other, shared_post_id=post, text=text) for text in ("", "look")]
    assert await rows.list(viewer, "visible_post_ids", [bare, quote]) == [quote]
