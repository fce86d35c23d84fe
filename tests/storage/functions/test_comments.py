"""Comments, by the database functions alone: who may write and see one, their tree, and events of them."""

import pytest

from tests.storage.functions.rows import LAST, Rows


async def ids(rows: Rows, viewer: int | None, post: int, parent: int | None = None, amount: int = 20) -> list[int]:
    page = await rows.list(viewer, "comment_page", post, parent, LAST if parent is None else 0, amount, 2)
    return [row["id"] for row in page if row["id"] is not None]


@pytest.mark.parametrize(
    ("policy", "commenters"),
    [
        ("everyone", "author follower asker stranger mentioned"),
        ("followers", "author follower"),
        ("mentioned", "author mentioned"),
        ("nobody", "author"),
    ],
)
async def test_may_comment_by_the_posts_policy(rows: Rows, policy: str, commenters: str):
    author = await rows.user()
    people = {"author": author, **await rows.audience(author, "mentioned", "blocker", "blocked")}
    for name in ("blocker", "blocked"):
        await rows.follow(people[name], author)
    await rows.block(people["blocker"], author)
    await rows.block(author, people["blocked"])
    named = [people[name] for name in ("mentioned", "blocker", "blocked")]
    post = await rows.post(author, reply_policy=policy, mention_ids=named)
    may = {name for name, user in people.items() if await rows.ask(user, "may_comment", post, None)}
    assert may == set(commenters.split())
    assert not await rows.ask(None, "may_comment", post, None)


async def test_may_comment_only_if_the_author_admits_it(rows: Rows):
    author, friend, stranger = await rows.users(3)
    await rows.add("accounts", user_id=author, email="a", email_key="a", comments_from="followed")
    await rows.follow(author, friend)
    post = await rows.post(author)
    may = [await rows.ask(user, "may_comment", post, None) for user in (author, friend, stranger)]
    assert may == [True, True, False]


async def test_may_comment_only_on_what_the_viewer_sees(rows: Rows):
    author, viewer, writer, blocker, blocked = await rows.users(5)
    await rows.block(blocker, viewer)
    await rows.block(viewer, blocked)
    post = await rows.post(author)
    for hidden in (await rows.post(author, "private"), await rows.post(author, status="deleted"), 0):
        assert not await rows.ask(viewer, "may_comment", hidden, None)
    comment, deleted = await rows.comment(post, writer), await rows.comment(post, writer)
    await rows.delete_comment(deleted)
    assert await rows.ask(viewer, "may_comment", post, comment)
    for parent in (deleted, await rows.comment(post, blocker), await rows.comment(post, blocked), 0):
        assert not await rows.ask(viewer, "may_comment", post, parent)


async def test_comments_placed(rows: Rows):
    author = await rows.user()
    post, other_post = await rows.post(author), await rows.post(author)
    top = await rows.comment(post, author)
    reply = await rows.comment(post, author, top)
    below = await rows.comment(post, author, reply)
    found = "SELECT path, depth FROM comments WHERE id = $1"
    assert await rows.table(found, top) == [([top], 0)]
    assert await rows.table(found, below) == [([top, reply, below], 2)]
    on_another_post = await rows.comment(other_post, author, top)
    without_parent = await rows.comment(post, author, 0)
    await rows.delete_comment(below)
    below_deleted = await rows.comment(post, author, below)
    for refused in (on_another_post, without_parent, below_deleted):
        assert await rows.table(found, refused) == []


async def test_a_tree_has_200_levels(rows: Rows):
    author = await rows.user()
    post, parent = await rows.post(author), None
    for _ in range(200):
        parent = await rows.comment(post, author, parent)
    deeper = "INSERT INTO comments (id, post_id, parent_id, author_id, text) VALUES ($1, $2, $3, $4, 'x')"
    assert await rows.is_refused(deeper, 10**6, post, parent, author)


async def test_comments_of_hidden_users_are_left_out(rows: Rows):
    author, viewer, *others = await rows.users(7)
    post = await rows.post(author)
    comments = [await rows.comment(post, other) for other in others]
    blocker, blocked, muted, muted_posts, muted_before = others
    await rows.block(blocker, viewer)
    await rows.block(viewer, blocked)
    await rows.mute(viewer, muted)
    await rows.mute(viewer, muted_posts, "posts")
    await rows.mute(viewer, muted_before, until=await rows.now(minutes=-1))
    for one, other in ((muted_posts, author), (blocker, blocked)):
        await rows.mute(one, other)  # of others: does not matter
    assert await ids(rows, viewer, post) == [comments[4], comments[3]]
    assert await ids(rows, author, post) == comments[::-1]


@pytest.mark.parametrize("status", ["suspended", "deleted"])
async def test_comments_of_inactive_users_are_left_out(rows: Rows, status: str):
    author, viewer = await rows.users(2)
    post = await rows.post(author)
    comment = await rows.comment(post, await rows.user(status=status))
    assert await ids(rows, viewer, post) == []
    reply = await rows.comment(post, viewer, comment)
    assert await ids(rows, viewer, post) == [comment, reply]


async def test_a_comment_without_author_and_text_keeps_the_place_of_its_replies(rows: Rows):
    author, viewer, muted = await rows.users(3)
    await rows.mute(viewer, muted)
    post = await rows.post(author)
    top = await rows.comment(post, muted)
    reply = await rows.comment(post, author, top)
    await rows.connection.execute(
        "UPDATE comments SET mention_ids = '{1}', edited_at = now(), reactions = '{\"like\": 1}'"
    )
    place, shown = await rows.list(viewer, "comment_page", post, None, LAST, 20, 2)
    assert (place["id"], place["reply_count"], shown["id"]) == (top, 1, reply)
    withheld = ("author_id", "author", "text", "mention_ids", "reactions", "edited_at")
    assert [place[name] for name in withheld] == [None] * len(withheld)
    assert all(shown[name] is not None for name in withheld)


async def test_the_page_of_a_post_that_the_viewer_may_not_see_has_no_row(rows: Rows):
    author, viewer = await rows.users(2)
    for post in (await rows.post(author, "private"), await rows.post(author, status="deleted"), 0):
        top = await rows.comment(post, author)
        for parent in (None, top):
            assert await ids(rows, viewer, post, parent) == []
            assert await rows.list(viewer, "comment_page", post, parent, 0, 20, 2) == []
    post = await rows.post(author)
    [empty] = await rows.list(viewer, "comment_page", post, None, LAST, 20, 2)
    assert (empty["id"], empty["next_place"]) == (None, None)


async def test_the_page_of_a_parent_that_the_viewer_may_not_see_has_no_row(rows: Rows):
    author, viewer, blocked = await rows.users(3)
    await rows.block(viewer, blocked)
    post, other_post = await rows.post(author), await rows.post(author)
    visible = await rows.comment(post, author)
    assert len(await rows.list(viewer, "comment_page", post, visible, 0, 20, 2)) == 1
    deleted = await rows.comment(post, author)
    await rows.delete_comment(deleted)
    hidden = await rows.comment(post, blocked)
    for parent in (deleted, hidden, await rows.comment(other_post, author), 0):
        assert await rows.list(viewer, "comment_page", post, parent, 0, 20, 2) == []
    reply = await rows.comment(post, author, hidden)
    assert await ids(rows, viewer, post, hidden) == [reply]


@pytest.mark.parametrize(("replies", "stored", "expected"), [(4, 9, 4), (5, 9, 9), (6, 9, 9), (6, 0, 5), (0, 9, 0)])
async def test_replies_are_counted_exactly_up_to_four(rows: Rows, replies: int, stored: int, expected: int):
    author, viewer = await rows.users(2)
    post = await rows.post(author)
    top = await rows.comment(post, author)
    for _ in range(replies):
        await rows.comment(post, author, top)
    await rows.connection.execute("UPDATE comments SET reply_count = $2 WHERE id = $1", top, stored)
    page = await rows.list(viewer, "comment_page", post, None, LAST, 20, 2)
    assert page[0]["reply_count"] == expected


async def test_a_page_goes_on_behind_many_hidden_comments(rows: Rows):
    author, viewer, blocked = await rows.users(3)
    await rows.block(viewer, blocked)
    post = await rows.post(author)
    oldest = await rows.comment(post, author)
    for _ in range(25):
        await rows.comment(post, blocked)
    pages, start = [], LAST
    while start is not None:
        page = await rows.list(viewer, "comment_page", post, None, start, 4, 2)
        pages.append([row["id"] for row in page if row["id"] is not None])
        start = page[0]["next_place"]
    assert pages == [[], [oldest]]  # each page looks at 20


async def test_delete_comment(rows: Rows):
    author, writer, other = await rows.users(3)
    post = await rows.post(author)
    by_writer, by_author = [await rows.comment(post, writer) for _ in range(2)]
    assert await rows.list(other, "delete_comment", by_writer) == []
    assert await rows.list(None, "delete_comment", by_writer) == []
    assert [tuple(row) for row in await rows.list(writer, "delete_comment", by_writer)] == [(post, writer, True)]
    assert [tuple(row) for row in await rows.list(writer, "delete_comment", by_writer)] == [(post, writer, False)]
    assert await rows.table("SELECT id FROM comments WHERE post_id = $1 AND status = 'deleted'", post) == [(by_writer,)]
    assert [tuple(row) for row in await rows.list(author, "delete_comment", by_author)] == [(post, writer, True)]
    [deleted] = await rows.table("SELECT status, deleted_at = now() FROM comments WHERE id = $1", by_author)
    assert deleted == ("deleted", True)


async def test_the_author_of_a_deleted_post_deletes_no_comments(rows: Rows):
    author, writer = await rows.users(2)
    post = await rows.post(author, status="deleted")
    comment = await rows.comment(post, writer)
    assert await rows.list(author, "delete_comment", comment) == []
    assert len(await rows.list(writer, "delete_comment", comment)) == 1


async def test_may_tell_of_comment(rows: Rows):
    author, writer, other = await rows.users(3)
    post = await rows.post(author)
    comment, deleted = await rows.comment(post, writer), await rows.comment(post, writer)
    await rows.delete_comment(deleted)

    async def may(viewer: int, topic: str, comment_id: int, *, key: int = post, by: int = writer) -> bool:
        event = {"comment_id": comment_id, "post_id": key, "author_id": by}
        return await rows.may_tell(viewer, "may_tell_of_comment", topic, key, **event)

    for topic in ("comment.created", "comment.edited"):
        assert await may(writer, topic, comment)
        for viewer in (author, other):
            assert not await may(viewer, topic, comment)
        assert not await may(writer, topic, deleted)
    for viewer in (writer, author):
        assert await may(viewer, "comment.deleted", deleted)
        assert not await may(viewer, "comment.deleted", comment)
    assert not await may(other, "comment.deleted", deleted)
    assert not await may(writer, "comment.pinned", comment)
    assert not await may(writer, "comment.created", comment, key=0)
    assert not await may(writer, "comment.created", comment, by=other)
    assert not await may(writer, "comment.created", 0)
    told = {"comment_id": comment, "post_id": post, "author_id": writer}
    assert await rows.may_tell(writer, "may_tell_of_comment", "comment.created", post, **told)
    for key, changed in ((0, {}), (post, {"post_id": 0})):
        assert not await rows.may_tell(writer, "may_tell_of_comment", "comment.created", key, **{**told, **changed})


async def test_replies_are_counted_as_the_viewer_is_shown_them(rows: Rows):
    author, viewer, hidden = await rows.users(3)
    post = await rows.post(author)
    top = await rows.comment(post, author)
    for writer in (hidden, hidden, author):
        await rows.comment(post, writer, top)
    await rows.connection.execute("UPDATE comments SET reply_count = 3 WHERE id = $1", top)
    await rows.block(viewer, hidden)
    assert [await rows.ask(who, "shown_replies", top) for who in (viewer, author, None)] == [1, 3, 3]
    await rows.comment(post, hidden, top)
    await rows.comment(post, author, top)  # with five or more, the stored number counts
    assert await rows.ask(viewer, "shown_replies", top) == 3
    await rows.block(author, viewer)
    assert await rows.ask(viewer, "shown_replies", top) is None
