"""Reactions, by the database functions alone: their targets, lists, and events of them."""

import pytest

from tests.storage.functions.rows import LAST, Rows

KINDS = ["like", "love", "laugh", "sad", "angry"]


async def test_target_post(rows: Rows):
    author, viewer, writer, blocker, blocked = await rows.users(5)
    gone = await rows.user(status="suspended")
    await rows.block(blocker, viewer)
    await rows.block(viewer, blocked)
    post, secret = await rows.post(author), await rows.post(author, "private")
    comment, on_secret, deleted = [await rows.comment(on, writer) for on in (post, secret, post)]
    await rows.delete_comment(deleted)
    assert await rows.ask(viewer, "target_post", "post", post) == post
    assert await rows.ask(viewer, "target_post", "comment", comment) == post
    hidden = [await rows.comment(post, each) for each in (blocker, blocked, gone)]
    for kind, target in (
        ("post", secret), ("post", comment), ("comment", post), ("comment", on_secret), ("comment", deleted),
        ("video", post), *(("comment", each) for each in hidden),
    ):  # fmt: skip
        assert await rows.ask(viewer, "target_post", kind, target) is None, (kind, target)
    for kind, target in (("post", post), ("comment", comment)):
        assert await rows.ask(None, "target_post", kind, target) is None


@pytest.mark.parametrize(("status", "seen"), [("active", True), ("suspended", False), ("deleted", False)])
async def test_sees_user(rows: Rows, status: str, seen: bool):
    viewer, other = await rows.user(), await rows.user(status=status)
    await rows.tie_to_others(viewer, other)
    assert await rows.ask(viewer, "sees_user", other) is seen
    assert await rows.ask(None, "sees_user", other) is False


async def test_sees_user_without_a_block(rows: Rows):
    viewer, blocker, blocked = await rows.users(3)
    await rows.block(blocker, viewer)
    await rows.block(viewer, blocked)
    for other in (blocker, blocked):
        assert await rows.ask(viewer, "sees_user", other) is False


@pytest.mark.parametrize("status", ["published", "deleted"])
async def test_sees_post(rows: Rows, status: str):
    author, gone, viewer = await rows.user(), await rows.user(status="suspended"), await rows.user()
    assert await rows.ask(viewer, "sees_post", await rows.post(author, status=status)) is (status == "published")
    assert await rows.ask(author, "sees_post", await rows.post(author, "private", status=status)) is (
        status == "published"
    )
    for hidden in (await rows.post(author, "private"), await rows.post(gone), 0):
        assert await rows.ask(viewer, "sees_post", hidden) is False


async def test_reactions_to(rows: Rows):
    author, viewer, *others = await rows.users(8)
    gone = await rows.user(status="deleted")
    post = await rows.post(author)
    given = [await rows.react(user, post, KINDS[user % 5], "post") for user in (*others, gone)]
    await rows.react(author, post, "like", "comment")  # to a comment of the same id
    blocker, blocked, muted, *seen = others
    await rows.block(blocker, viewer)
    await rows.block(viewer, blocked)
    await rows.mute(viewer, muted)
    await rows.mute(viewer, seen[0], "posts")

    async def listed(kinds: list[str], before: int = LAST, amount: int = 9) -> list[tuple[int, str, int]]:
        found = await rows.list(viewer, "reactions_to", "post", post, kinds, before, amount)
        assert [row["person"]["id"] for row in found] == [row["user_id"] for row in found]
        return [(row["id"], row["kind"], row["user_id"]) for row in found]

    expected = [(given[3 + n], KINDS[user % 5], user) for n, user in enumerate(seen)][::-1]
    assert await listed(KINDS) == expected
    for kind in KINDS:
        assert await listed([kind]) == [row for row in expected if row[1] == kind]
    assert await listed(KINDS, amount=2) == expected[:2]
    assert await listed(KINDS, before=expected[1][0]) == expected[2:]
    assert await listed(KINDS, amount=1) == expected[:1]  # the newest reaction, of a deleted user, takes no place
    await rows.connection.execute("UPDATE posts SET visibility = 'private' WHERE id = $1", post)
    assert await listed(KINDS) == []


async def test_may_tell_of_reaction(rows: Rows):
    author, user, other = await rows.users(3)
    post = await rows.post(author)
    comment = await rows.comment(post, author)
    await rows.react(user, comment, "love")
    told = {"target_type": "comment", "target_id": comment, "post_id": post, "user_id": user, "kind": "love"}

    async def may(topic: str, viewer: int = user, *, key: int = user, **changed: object) -> bool:
        return await rows.may_tell(viewer, "may_tell_of_reaction", topic, key, **{**told, **changed})

    assert await may("reaction.created")
    assert not await may("reaction.removed")
    assert not await may("reaction.seen")
    for changed in ({"kind": "like"}, {"target_type": "post"}, {"target_id": post}, {"post_id": 0}, {"user_id": other}):
        assert not await may("reaction.created", **changed), changed
    assert not await may("reaction.created", key=other)
    assert not await may("reaction.created", other)
    assert not await may("reaction.created", other, key=other, user_id=other)
    assert await may("reaction.removed", other, key=other, user_id=other)
    assert not await may("reaction.removed", other, key=other)
    assert not await may("reaction.seen", other, key=other, user_id=other)
