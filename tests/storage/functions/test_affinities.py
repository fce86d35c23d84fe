"""Functions of `affinities.sql`: what users do is folded once into affinities and into the quality of posts."""

from datetime import timedelta

import pytest

from tests.storage.functions.rows import Rows


async def act(rows: Rows, user: int, target: int, kind: str, amount: float = 1, **columns: object) -> None:
    columns = {"target_type": "user" if kind in ("follow", "visit") else "post", **columns}
    await rows.add("affinity_changes", user_id=user, target_id=target, kind=kind, amount=amount, **columns)


async def fold(rows: Rows) -> int:
    return int(await rows.ask(None, "fold_affinities", 1_000_000))


async def affinity(rows: Rows, viewer: int, other: int) -> float | None:
    found = dict(await rows.list(viewer, "affinities", [other]))
    return found.get(other)


async def learnt(rows: Rows) -> tuple[int, int, int]:
    """A viewer, an author without a tie, and the author's post."""
    viewer, author = await rows.users(2)
    return viewer, author, await rows.post(author)


@pytest.mark.parametrize("kind", ["follow", "reaction", "comment", "save", "share", "visit"])
async def test_each_kind_of_act_raises_an_affinity_below_one(rows: Rows, kind: str):
    viewer, author, post = await learnt(rows)
    assert await affinity(rows, viewer, author) == 0
    levels = []
    for _ in range(3):
        await act(rows, viewer, author if kind in ("follow", "visit") else post, kind)
        await fold(rows)
        levels.append(await affinity(rows, viewer, author) or 0)
    assert 0 < levels[0] < levels[1] < levels[2] < 1
    assert levels[1] - levels[0] > levels[2] - levels[1]  # each further one adds less


async def test_an_act_that_is_taken_back_leaves_nothing(rows: Rows):
    viewer, author, post = await learnt(rows)
    await act(rows, viewer, post, "reaction")
    await act(rows, viewer, post, "reaction", -1)
    await act(rows, viewer, post, "reaction", -1)
    await fold(rows)
    assert await affinity(rows, viewer, author) == 0


async def test_an_act_is_folded_once(rows: Rows):
    viewer, author, post = await learnt(rows)
    await act(rows, viewer, post, "reaction")
    assert await fold(rows) >= 1
    level = await affinity(rows, viewer, author)
    assert await fold(rows) == 0
    assert await affinity(rows, viewer, author) == level


async def test_a_reaction_to_a_comment_is_for_its_author(rows: Rows):
    viewer, author, post = await learnt(rows)
    writer = await rows.user()
    comment = await rows.comment(post, writer)
    await act(rows, viewer, comment, "reaction", target_type="comment")
    await fold(rows)
    assert (await affinity(rows, viewer, writer) or 0) > 0 == await affinity(rows, viewer, author)


async def test_acts_to_oneself_and_to_what_is_gone_teach_nothing(rows: Rows):
    viewer, *_ = await learnt(rows)
    own = await rows.post(viewer)
    await act(rows, viewer, own, "reaction")
    await act(rows, viewer, 10**15, "reaction")
    await act(rows, viewer, 10**15, "visit")
    await fold(rows)
    assert await rows.table("SELECT * FROM affinities WHERE user_id = $1", viewer) == []


async def test_affinity_halves_in_14_days_without_a_write(rows: Rows):
    viewer, author, _ = await learnt(rows)
    for days, points in ((0, 4.0), (14, 8.0), (28, 16.0)):
        as_of = await rows.now() - timedelta(days=days)
        await rows.connection.execute("DELETE FROM affinities WHERE user_id = $1", viewer)
        await rows.add("affinities", user_id=viewer, other_id=author, points=points, skips=0, as_of=as_of)
        assert await affinity(rows, viewer, author) == pytest.approx(0.5)


async def test_ties_count_without_any_act(rows: Rows):
    viewer, followed, follower, friend = await rows.users(4)
    for one, other in ((viewer, followed), (follower, viewer), (viewer, friend), (friend, viewer)):
        await rows.follow(one, other)
    found = dict(await rows.list(viewer, "affinities", [followed, follower, friend]))
    assert 0 < found[follower] < found[followed] < found[friend] < 1


@pytest.mark.parametrize("hides", ["blocks", "is blocked", "mutes"])
async def test_affinities_leave_out_users_hidden_from_the_viewer(rows: Rows, hides: str):
    viewer, author, _ = await learnt(rows)
    if hides == "mutes":
        await rows.mute(viewer, author)
    else:
        await rows.block(*((viewer, author) if hides == "blocks" else (author, viewer)))
    assert await affinity(rows, viewer, author) is None


async def test_a_glance_is_a_skip_and_a_look_raises_affinity(rows: Rows):
    viewer, author, post = await learnt(rows)
    await act(rows, viewer, post, "view", 400)
    await fold(rows)
    [(points, skips)] = await rows.table("SELECT points, skips FROM affinities WHERE user_id = $1", viewer)
    assert (points, skips) == (0, 1)
    await act(rows, viewer, post, "view", 60_000)
    await fold(rows)
    [(points, skips)] = await rows.table("SELECT points, skips FROM affinities WHERE user_id = $1", viewer)
    assert (points, skips) == (0.5, 1)
    assert (await affinity(rows, viewer, author) or 0) > 0


async def test_quality_rises_with_time_and_completion_and_falls_with_glances(rows: Rows):
    _, author, _ = await learnt(rows)
    unseen, watched, glanced = [await rows.post(author, text="x" * 100) for _ in range(3)]
    for viewer in await rows.users(20):
        await act(rows, viewer, watched, "view", 20_000, is_first=True)
        await act(rows, viewer, watched, "view", 20_000)  # on the same day: it counts once
        await act(rows, viewer, glanced, "view", 300, is_first=True)
    await fold(rows)
    found = {
        row[0]: row[1:]
        for row in await rows.table(
            "SELECT id, quality, looks, watched, completions FROM posts WHERE author_id = $1", author
        )
    }
    assert found[watched][1:] == (20, 20, 20)
    assert found[glanced][2] < 1
    assert found[glanced][3] == 0
    assert found[glanced][0] < found[unseen][0] == 0.5 < found[watched][0] <= 1


async def test_a_video_is_completed_by_its_length(rows: Rows):
    viewer, author, post = await learnt(rows)
    await rows.added(
        "media", owner_id=author, kind="video", status="ready", content_type="video/mp4", filename="x", size_bytes=1,
        object_key=f"private/{post}/", target_type="post", target_id=post, position=0, duration_ms=30_000,
    )  # fmt: skip
    for dwell_ms in (20_000, 30_000):
        await act(rows, viewer, post, "view", dwell_ms, is_first=True)
    await fold(rows)
    assert await rows.table("SELECT looks, completions FROM posts WHERE id = $1", post) == [(2, 1)]


async def test_a_node_notes_visits_without_a_viewer(rows: Rows):
    viewer, author, _ = await learnt(rows)
    assert await rows.ask(viewer, "note_visits", [viewer], [author]) == 0
    assert await rows.ask(None, "note_visits", [viewer, viewer], [author, viewer]) == 1
    await fold(rows)
    assert (await affinity(rows, viewer, author) or 0) > 0
