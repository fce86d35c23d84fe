"""Counts: what triggers note, folding, sketches of views, comparing with rows, and what is hidden from a viewer."""

import json
from typing import Any

import pytest

from tests.storage.functions.rows import Rows


async def noted(rows: Rows, *targets: int) -> dict[tuple[int, str], int]:
    """Return the sum of changes by target and field, and delete them."""
    found = await rows.connection.fetch(
        """WITH taken AS (DELETE FROM count_changes WHERE target_id = ANY ($1) RETURNING *)
        SELECT target_id, field, sum(delta)::int AS delta FROM taken GROUP BY target_id, field""",
        targets,
    )
    return {(row["target_id"], row["field"]): row["delta"] for row in found}


async def fold(rows: Rows) -> int:
    """Fold all changes, also those that other tests have committed, which this transaction does not keep."""
    return (await rows.ask(None, "fold_counts", 10**6)) or 0


async def counts_of(rows: Rows, post: int) -> dict[str, Any]:
    row = await rows.connection.fetchrow("SELECT * FROM posts WHERE id = $1", post)
    return {
        **json.loads(row["reactions"]),
        **{field: row[f"{field[:-1]}_count"] for field in ("comments", "shares", "saves", "views")},
    }


async def react(rows: Rows, post: int, user: int, kind: str = "like") -> None:
    await rows.connection.execute(
        """INSERT INTO reactions (target_type, target_id, user_id, kind, id) VALUES ('post', $1, $2, $3, $2)
        ON CONFLICT (target_type, target_id, user_id) DO UPDATE SET kind = excluded.kind""",
        post, user, kind,
    )  # fmt: skip


async def comment(rows: Rows, post: int, author: int, number: int, parent: int | None = None) -> int:
    await rows.write("comments", id=number, post_id=post, parent_id=parent, author_id=author, text="x")
    return number


async def differences(rows: Rows, kind: str, *ids: int) -> set[tuple[Any, ...]]:
    return {tuple(each) for each in await rows.list(None, "counts_drift", kind, list(ids))}


# ---------------------------------------------------------------------------------------------- noting


async def test_reactions_are_noted_when_they_are_set_changed_and_withdrawn(rows: Rows):
    alice = await rows.user()
    post = await rows.post(alice)
    await react(rows, post, alice)
    assert await noted(rows, post) == {(post, "like"): 1}
    await react(rows, post, alice)
    assert await noted(rows, post) == {}
    await react(rows, post, alice, "love")
    assert await noted(rows, post) == {(post, "like"): -1, (post, "love"): 1}
    await rows.connection.execute("DELETE FROM reactions WHERE target_id = $1", post)
    assert await noted(rows, post) == {(post, "love"): -1}


async def test_comments_and_replies_are_noted_until_they_are_deleted(rows: Rows):
    alice = await rows.user()
    post = await rows.post(alice)
    first = await comment(rows, post, alice, 10**5)
    reply = await comment(rows, post, alice, 10**5 + 1, first)
    assert await noted(rows, post, first, reply) == {(post, "comments"): 2, (first, "replies"): 1}
    deletes = "UPDATE comments SET status = 'deleted', deleted_at = now() WHERE id = $1"
    for _ in range(2):
        await rows.connection.execute(deletes, reply)
    assert await noted(rows, post, first, reply) == {(post, "comments"): -1, (first, "replies"): -1}


async def test_shares_and_saves_are_noted(rows: Rows):
    alice = await rows.user()
    post = await rows.post(alice)
    columns = {"author_id": alice, "text": "", "visibility": "public", "reply_policy": "everyone"}
    await rows.write("posts", id=10**5, shared_post_id=post, **columns)
    await rows.write("posts", id=10**5 + 1, **columns)
    await rows.write("saves", id=1, user_id=alice, post_id=post)
    assert await noted(rows, post, 10**5, 10**5 + 1) == {(post, "shares"): 1, (post, "saves"): 1}
    for _ in range(2):
        await rows.connection.execute("UPDATE posts SET status = 'deleted', deleted_at = now() WHERE id = $1", 10**5)
    await rows.connection.execute("DELETE FROM saves WHERE user_id = $1", alice)
    assert await noted(rows, post, 10**5) == {(post, "shares"): -1, (post, "saves"): -1}


async def test_views_are_noted_once_for_each_post_of_a_statement(rows: Rows):
    alice, bob = await rows.users(2)
    posts = [await rows.post(alice) for _ in range(2)]
    views = (
        "INSERT INTO views (post_id, user_id) SELECT unnest($1::bigint[]), unnest($2::bigint[]) ON CONFLICT DO NOTHING"
    )
    for _ in range(2):
        await rows.connection.execute(views, [posts[0], posts[0], posts[1]], [alice, bob, bob])
    assert await rows.connection.fetchval("SELECT count(*) FROM count_changes WHERE target_id = ANY ($1)", posts) == 2
    assert await noted(rows, *posts) == {(posts[0], "views"): 2, (posts[1], "views"): 1}


# ---------------------------------------------------------------------------------------------- folding


async def test_a_fold_adds_all_changes_once_and_raises_the_version_once(rows: Rows):
    alice, bob = await rows.users(2)
    post = await rows.post(alice)
    await react(rows, post, alice)
    await react(rows, post, bob, "love")
    await rows.write("saves", id=1, user_id=alice, post_id=post)
    await fold(rows)
    assert await counts_of(rows, post) == {"like": 1, "love": 1, "comments": 0, "shares": 0, "saves": 1, "views": 0}
    assert await rows.connection.fetchval("SELECT counts_version FROM posts WHERE id = $1", post) == 1
    assert await rows.connection.fetchval("SELECT count(*) FROM counts_unpushed WHERE target_id = $1", post) == 1
    assert await fold(rows) == 0
    await react(rows, post, bob, "like")
    await fold(rows)
    assert (await counts_of(rows, post))["like"] == 2
    assert "love" not in await counts_of(rows, post)


async def test_a_fold_counts_replies_and_reactions_of_comments(rows: Rows):
    alice = await rows.user()
    post = await rows.post(alice)
    first = await comment(rows, post, alice, 10**5)
    await comment(rows, post, alice, 10**5 + 1, first)
    await rows.write("reactions", target_type="comment", target_id=first, user_id=alice, kind="sad", id=1)
    await fold(rows)
    row = await rows.connection.fetchrow("SELECT * FROM comments WHERE id = $1", first)
    assert (row["reply_count"], json.loads(row["reactions"]), row["counts_version"]) == (1, {"sad": 1}, 1)
    assert (await counts_of(rows, post))["comments"] == 2


async def test_changes_of_what_does_not_exist_are_dropped(rows: Rows):
    for kind in ("post", "comment"):
        await rows.write("count_changes", target_type=kind, target_id=5, field="like", delta=1)
    await fold(rows)
    assert await noted(rows, 5) == {}
    assert not await rows.connection.fetchval("SELECT true FROM counts_unpushed WHERE target_id = 5")


async def test_a_bounded_fold_takes_the_oldest_changes(rows: Rows):
    await fold(rows)
    post = await rows.post(await rows.user())
    for kind in ("like", "love", "sad"):
        await rows.write("count_changes", target_type="post", target_id=post, field=kind, delta=1)
    assert await rows.ask(None, "fold_counts", 2) == 2
    assert await noted(rows, post) == {(post, "sad"): 1}


# ---------------------------------------------------------------------------------------------- views


async def view(rows: Rows, post: int, users: range) -> None:
    await rows.connection.execute("SET LOCAL session_replication_role = replica")
    await rows.connection.execute(
        "INSERT INTO views (post_id, user_id) SELECT $1, unnest($2::bigint[])", post, list(users)
    )
    await rows.connection.execute("SET LOCAL session_replication_role = origin")
    await rows.write("count_changes", target_type="post", target_id=post, field="views", delta=len(users))
    await fold(rows)


async def sketch_of(rows: Rows, post: int) -> Any:
    return await rows.connection.fetchrow("SELECT * FROM view_sketches WHERE post_id = $1", post)


async def test_a_post_gets_a_sketch_at_its_thousandth_view(rows: Rows):
    post = await rows.post(await rows.user())
    await view(rows, post, range(1, 1_000))
    assert (await counts_of(rows, post))["views"] == 999
    assert await sketch_of(rows, post) is None
    await view(rows, post, range(1_000, 1_003))
    assert (await counts_of(rows, post))["views"] == 1_002
    assert dict(await sketch_of(rows, post)) == {"post_id": post, "sketch": None, "counted": 1_002, "is_due": True}


async def test_the_sketch_then_decides_the_count_which_never_falls(rows: Rows):
    post = await rows.post(await rows.user())
    await view(rows, post, range(1_000))
    for estimate, expected in ((990, 1_000), (1_050, 1_050), (1_040, 1_050)):
        await rows.connection.execute("UPDATE view_sketches SET is_due = false WHERE post_id = $1", post)
        await rows.ask(None, "keep_sketch", post, b"sketch", estimate)
        await fold(rows)
        assert (await counts_of(rows, post))["views"] == expected
        assert not (await sketch_of(rows, post))["is_due"]
    await view(rows, post, range(2_000, 2_010))
    assert (await counts_of(rows, post))["views"] == 1_050
    assert (await sketch_of(rows, post))["is_due"]


# ---------------------------------------------------------------------------------------------- comparing


async def filled(rows: Rows) -> tuple[int, int]:
    """Return a post and a comment on it with one of each that is counted."""
    alice, bob = await rows.users(2)
    post = await rows.post(alice)
    first = await comment(rows, post, alice, 10**5)
    await comment(rows, post, alice, 10**5 + 1, first)
    for kind, target in (("post", post), ("comment", first)):
        await rows.write("reactions", target_type=kind, target_id=target, user_id=alice, kind="like", id=1)
    await rows.write("saves", id=1, user_id=alice, post_id=post)
    await rows.write("views", user_id=bob, post_id=post)
    columns = {"author_id": alice, "text": "", "visibility": "public", "reply_policy": "everyone"}
    await rows.write("posts", id=10**5, shared_post_id=post, **columns)
    return post, first


PLANTED = {
    "like": """reactions = '{"like": 7}'""",
    "love": """reactions = '{"like": 1, "love": 7}'""",
    "comments": "comment_count = comment_count + 7",
    "shares": "share_count = share_count + 7",
    "saves": "save_count = save_count + 7",
    "views": "view_count = view_count + 7",
}


async def test_counts_agree_with_rows_before_and_after_a_fold(rows: Rows):
    post, first = await filled(rows)
    for _ in range(2):
        assert await differences(rows, "post", post) == set()
        assert await differences(rows, "comment", first) == set()
        await fold(rows)


@pytest.mark.parametrize("field", PLANTED)
async def test_planted_drift_is_found_and_repaired_by_the_next_fold(rows: Rows, field: str):
    post, _ = await filled(rows)
    await fold(rows)
    before = await counts_of(rows, post)
    await rows.connection.execute(f"UPDATE posts SET {PLANTED[field]} WHERE id = $1", post)
    stored = (await counts_of(rows, post))[field]
    expected = {(post, field, stored, before.get(field, 0))}
    assert await differences(rows, "post", post) == expected
    assert {tuple(each) for each in await rows.list(None, "counts_repair", "post", [post])} == expected
    assert await differences(rows, "post", post) == set()
    assert await rows.list(None, "counts_repair", "post", [post]) == []  # not twice
    await fold(rows)
    assert await counts_of(rows, post) == before
    assert await differences(rows, "post", post) == set()


async def test_drift_of_a_comment_is_found_and_repaired(rows: Rows):
    _, first = await filled(rows)
    await fold(rows)
    await rows.connection.execute("UPDATE comments SET reply_count = 5, reactions = '{}' WHERE id = $1", first)
    assert await differences(rows, "comment", first) == {(first, "replies", 5, 1), (first, "like", 0, 1)}
    await rows.list(None, "counts_repair", "comment", [first])
    await fold(rows)
    assert await differences(rows, "comment", first) == set()


async def test_the_views_of_a_sketch_are_compared_with_the_sketch(rows: Rows):
    post = await rows.post(await rows.user())
    await view(rows, post, range(1_000))
    await rows.connection.execute("DELETE FROM views WHERE post_id = $1", post)  # as they move into the sketch
    assert await differences(rows, "post", post) == set()
    await rows.ask(None, "keep_sketch", post, b"sketch", 1_050)
    assert await differences(rows, "post", post) == set()
    await fold(rows)
    assert await differences(rows, "post", post) == set()
    await rows.connection.execute("UPDATE posts SET view_count = 3 WHERE id = $1", post)
    assert await differences(rows, "post", post) == {(post, "views", 3, 1_050)}
    await rows.list(None, "counts_repair", "post", [post])
    await fold(rows)
    assert (await counts_of(rows, post))["views"] == 1_050


# ---------------------------------------------------------------------------------------------- for a viewer


async def marks(rows: Rows, viewer: int | None, kind: str, *ids: int) -> dict[int, tuple[Any, ...]]:
    found = await rows.list(viewer, "viewer_marks", kind, list(ids))
    return {
        row["target_id"]: (row["reaction"], row["is_saved"], json.loads(row["hidden"]) if row["hidden"] else None)
        for row in found
    }


async def test_viewer_marks_tell_what_the_viewer_did(rows: Rows):
    alice, bob = await rows.users(2)
    reacted, saved = [await rows.post(bob) for _ in range(2)]
    await react(rows, reacted, alice, "sad")
    await react(rows, saved, bob)
    await rows.write("saves", id=1, user_id=alice, post_id=saved)
    await rows.write("saves", id=2, user_id=bob, post_id=reacted)
    await rows.write("reactions", target_type="comment", target_id=saved, user_id=alice, kind="angry", id=1)
    assert await marks(rows, alice, "post", reacted, saved) == {
        reacted: ("sad", False, None), saved: (None, True, None)
    }  # fmt: skip
    assert await marks(rows, alice, "comment", saved) == {saved: ("angry", False, None)}
    assert await marks(rows, None, "post", reacted) == {reacted: (None, False, None)}


@pytest.mark.parametrize("hides", ["blocks", "is blocked", "mutes all"])
async def test_viewer_marks_count_what_hidden_users_did(rows: Rows, hides: str):
    alice, bob, carol = await rows.users(3)
    posts = [await rows.post(carol) for _ in range(2)]
    for post in posts:
        await react(rows, post, bob)
        await react(rows, post, carol)
        await comment(rows, post, bob, 10**5 + post)
    gone = await comment(rows, posts[0], bob, 2 * 10**5)
    await rows.connection.execute("UPDATE comments SET status = 'deleted' WHERE id = $1", gone)
    nothing = dict.fromkeys(posts, (None, False, None))
    assert await marks(rows, alice, "post", *posts) == nothing
    if hides == "blocks":
        await rows.block(alice, bob)
    elif hides == "is blocked":
        await rows.block(bob, alice)
    else:
        await rows.mute(alice, bob)
    assert await marks(rows, alice, "post", *posts) == dict.fromkeys(posts, (None, False, {"like": 1, "comments": 1}))
    assert await marks(rows, carol, "post", posts[0]) == {posts[0]: ("like", False, None)}
    assert await marks(rows, None, "post", *posts) == nothing


async def test_viewer_marks_of_comments_count_reactions(rows: Rows):
    alice, bob = await rows.users(2)
    post = await rows.post(alice)
    first = await comment(rows, post, alice, 10**5)
    await comment(rows, post, bob, 10**5 + 1, first)
    await rows.write("reactions", target_type="comment", target_id=first, user_id=bob, kind="sad", id=1)
    await rows.write("reactions", target_type="post", target_id=first, user_id=bob, kind="sad", id=2)
    await rows.block(alice, bob)
    assert await marks(rows, alice, "comment", first) == {first: (None, False, {"sad": 1})}


async def test_a_fold_does_not_read_the_whole_backlog(rows: Rows):
    await rows.connection.execute(
        """INSERT INTO count_changes (target_type, target_id, field, delta)
        SELECT 'post', -n, 'like', 1 FROM generate_series(1, 20000) n"""
    )
    await rows.connection.execute("ANALYZE count_changes")
    read = "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'count_changes'"
    before = await rows.connection.fetchval(read)
    assert await rows.ask(None, "fold_counts", 100) == 100
    assert await rows.connection.fetchval(read) == before
