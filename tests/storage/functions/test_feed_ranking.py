"""Functions of `feed_ranking.sql`: the terms of a ranked feed, and what viewers hide."""

from datetime import UTC, datetime, timedelta

import pytest

from storage.snowflakes import EPOCH_MS
from tests.storage.functions.rows import Rows
from tests.storage.functions.test_feeds import ranking

NOON = datetime(2026, 3, 1, 10, tzinfo=UTC)  # noon in Cairo
EVENING = datetime(2026, 3, 1, 19, tzinfo=UTC)  # 21:00 in Cairo


@pytest.mark.parametrize(
    ("terms", "expected"), [((0.8, 0.5, 1, 0.5, 0), 0.655), ((0.8, 0.5, 1, 0.5, 0.5), 0.455), ((1, 1, 1, 1, 0), 0.95)]
)
async def test_the_formula(rows: Rows, terms: tuple[float, ...], expected: float):
    assert await rows.ask(None, "ranking_score", *terms) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("posted_at", "half_life_h"),
    [
        (NOON, 18), (EVENING, 27),
        (datetime(2026, 3, 1, 17, 59, tzinfo=UTC), 18), (datetime(2026, 3, 1, 18, tzinfo=UTC), 27),
        (datetime(2026, 3, 1, 20, 59, tzinfo=UTC), 27), (datetime(2026, 3, 1, 21, tzinfo=UTC), 18),
        (datetime(2026, 7, 1, 17, tzinfo=UTC), 27), (datetime(2026, 7, 1, 20, tzinfo=UTC), 18),  # summer time
    ],
    ids=str,
)  # fmt: skip
async def test_freshness_halves_and_evenings_keep_for_longer(rows: Rows, posted_at: datetime, half_life_h: int):
    post = int(posted_at.timestamp() * 1_000) - EPOCH_MS << 22
    ages = {0: 1, half_life_h: 0.5, 2 * half_life_h: 0.25, -1: 1}
    for hours, expected in ages.items():
        assert await rows.ask(None, "freshness", post, posted_at + timedelta(hours=hours)) == pytest.approx(expected)


async def test_engagement_raises_quality_and_being_ignored_lowers_it(rows: Rows):
    async def quality(reactions: str, *counts: int) -> float:
        found: float = await rows.connection.fetchval(
            f"SELECT post_quality('{reactions}', {', '.join(map(str, counts))}, 0, 0, 0)"
        )
        return found

    unseen, ignored = await quality("{}", 0, 0, 0, 0), await quality("{}", 0, 0, 0, 1_000)
    loved = await quality('{"like": 60, "love": 30}', 10, 0, 0, 100)
    assert ignored < unseen == 0.5 < loved <= 1
    liked = await quality('{"like": 10}', 0, 0, 0, 100)
    assert liked == await quality("{}", 5, 0, 0, 100) == await quality("{}", 0, 5, 0, 100)
    assert liked == await quality("{}", 0, 0, 10, 100)


async def test_terms_stay_between_0_and_1(rows: Rows):
    reader, author, friend = await rows.users(3)
    await rows.follow(reader, author)
    await rows.follow(friend, reader)
    await rows.follow(reader, friend)
    await rows.add("affinities", user_id=reader, other_id=friend, points=1e9, skips=1e9, as_of=await rows.now())
    posts = [
        await rows.post(who, quality=number / 10, mention_ids=[reader])
        for number in range(11)
        for who in (author, friend)
    ]
    assert (await ranking(rows, reader, posts)).keys() == {*posts}
    for post in posts:
        each = (await ranking(rows, reader, posts, asked=post))[post]
        terms = [each[name] for name in ("affinity", "quality", "freshness", "diversity", "negatives")]
        assert all(0 <= term <= 1 for term in terms)
        assert each["score"] == pytest.approx(await rows.ask(None, "ranking_score", *terms))


async def test_friends_rank_above_acquaintances_and_an_author_does_not_fill_the_page(rows: Rows):
    reader, friend, acquaintance = await rows.users(3)
    for one, other in ((reader, friend), (friend, reader), (reader, acquaintance)):
        await rows.follow(one, other)
    near, far = await rows.post(friend), await rows.post(acquaintance)
    assert [*await ranking(rows, reader, [near, far])] == [near, far]
    more = [await rows.post(friend) for _ in range(5)]
    found = await ranking(rows, reader, [near, far, *more])
    diversity = sorted((found[post]["diversity"] for post in (near, *more)), reverse=True)
    assert diversity == sorted({*diversity}, reverse=True)


async def test_a_kind_that_is_rare_among_the_posts_is_more_diverse(rows: Rows):
    reader, author, other = await rows.users(3)
    await rows.follow(reader, author)
    await rows.follow(reader, other)
    texts = [await rows.post(author) for _ in range(4)]
    film = await rows.post(other)
    await rows.added(
        "media", owner_id=other, kind="video", status="ready", content_type="video/mp4", filename="x", size_bytes=1,
        object_key=f"private/{film}/", target_type="post", target_id=film, position=0,
    )  # fmt: skip
    found = await ranking(rows, reader, [*texts, film])
    assert found[film]["diversity"] > max(found[post]["diversity"] for post in texts[:-1])


async def test_of_a_post_and_its_shares_the_best_is_kept(rows: Rows):
    reader, author, friend = await rows.users(3)
    for one, other in ((reader, author), (reader, friend), (friend, reader)):
        await rows.follow(one, other)
    post = await rows.post(author)
    share = await rows.post(friend, shared_post_id=post)
    assert [*await ranking(rows, reader, [post, share])] == [share]
    assert post in await ranking(rows, reader, [post, share], asked=post)


async def test_recommended_posts_are_public_of_open_accounts_and_get_a_discount(rows: Rows):
    reader, author, closed = *await rows.users(2), await rows.user(is_private=True)
    shown = await rows.post(author)
    hidden = [await rows.post(author, "followers"), await rows.post(author, "private"), await rows.post(closed)]
    found = await ranking(rows, reader, [], [shown, *hidden])
    assert [*found] == [shown]
    each = (await ranking(rows, reader, [], [shown], asked=shown))[shown]
    assert each["score"] == found[shown]["score"]
    assert each["is_beyond"]
    terms = [each[name] for name in ("affinity", "quality", "freshness", "diversity", "negatives")]
    assert each["score"] == pytest.approx(0.8 * await rows.ask(None, "ranking_score", *terms))
    assert await ranking(rows, reader, [shown]) == {}  # a stored feed shows no strangers
    await rows.mute(reader, author, "posts")
    assert await ranking(rows, reader, [], [shown]) == {}


async def hide(rows: Rows, reader: int, *posts: int, reason: str = "topic") -> None:
    for post in posts:
        assert await rows.ask(reader, "hide_post", post, reason)


async def test_words_that_most_posts_have_are_no_topic(rows: Rows):
    reader, author = await rows.users(2)
    await rows.follow(reader, author)
    football = [await rows.post(author, topics=["post", "football"]) for _ in range(6)]
    food = [await rows.post(author, topics=["post", "food"]) for _ in range(10)]
    await hide(rows, reader, *football[:3])
    assert {*await ranking(rows, reader, football + food)} == {*food}


async def test_earlier_hides_do_not_weaken_later_ones_of_a_topic_without_a_hashtag(rows: Rows):
    reader, author, other = await rows.users(3)
    await rows.follow(reader, author)
    football = [await rows.post(author, topics=["football"]) for _ in range(8)]
    food = [await rows.post(author, topics=["food"]) for _ in range(24)]
    stale = [await rows.post(other, topics=topics) for topics in (["#tag"], ["old"], ["worn"]) for _ in range(10)]
    for posts, reason in zip((stale[:10], stale[10:20], stale[20:]), ("topic", "seen_too_often", "topic"), strict=True):
        await hide(rows, reader, *posts, reason=reason)
    await rows.connection.execute("UPDATE feed_hides SET created_at = created_at - interval '1 hour'")
    await hide(rows, reader, *football[:4])
    assert {*await ranking(rows, reader, football + food)} == {*food}


async def test_hides_fade(rows: Rows):
    reader, author = await rows.users(2)
    await rows.follow(reader, author)
    posts = [await rows.post(author, topics=["#football"]) for _ in range(5)]
    await hide(rows, reader, *posts[:3])
    assert await ranking(rows, reader, posts) == {}
    await rows.connection.execute("UPDATE feed_hides SET created_at = now() - interval '60 days'")
    found = await ranking(rows, reader, posts, asked=posts[3])
    assert {*found} == {*posts[3:]}
    assert found[posts[3]]["of_topic"] == pytest.approx(0.25)


async def test_posts_without_topics_are_compared_by_their_hashtags(rows: Rows):
    reader, author = await rows.users(2)
    await rows.follow(reader, author)
    posts = [await rows.post(author, hashtags=["Football"]) for _ in range(4)]
    await hide(rows, reader, *posts[:3])
    assert await ranking(rows, reader, posts) == {}


async def test_the_newest_200_hides_are_kept(rows: Rows):
    reader, author = await rows.users(2)
    posts = [await rows.post(author) for _ in range(203)]
    await hide(rows, reader, *posts, reason="seen_too_often")
    kept = {row[0] for row in await rows.table("SELECT post_id FROM feed_hides WHERE user_id = $1", reader)}
    assert len(kept) == 200
    assert kept < {*posts}


async def test_hides_and_affinities_of_a_user_are_forgotten_with_what_waits(rows: Rows):
    reader, author, other = await rows.users(3)
    post = await rows.post(author)
    for user in (reader, other):
        await hide(rows, user, post)
        await rows.add("affinities", user_id=user, other_id=author, points=1, skips=0, as_of=await rows.now())
        await rows.add("affinity_changes", user_id=user, target_type="post", target_id=post, kind="save", amount=1)
    await rows.ask(reader, "forget_learnt")
    for table in ("feed_hides", "affinities", "affinity_changes"):
        assert await rows.table(f"SELECT user_id FROM {table} WHERE user_id IN ($1, $2)", reader, other) == [(other,)]


async def test_quality_to_viewer_leaves_out_what_hidden_users_did(rows: Rows):
    reader, author, friend, foe = await rows.users(4)
    post = await rows.post(
        author,
        quality=0.9,
        reactions='{"like": 1, "love": 1}',
        comment_count=2,
        share_count=1,
        save_count=1,
        view_count=3,
    )
    other = await rows.post(author, quality=0.8)
    await rows.mute(reader, foe)
    for person, kind in ((friend, "like"), (foe, "love")):
        await rows.react(person, post, kind, "post")
        await rows.add("views", post_id=post, user_id=person, day=(await rows.now()).date())
    await rows.add("comments", id=1, post_id=post, author_id=foe, text="", path=[1], depth=0)
    await rows.post(foe, shared_post_id=post)
    await rows.added("saves", user_id=foe, post_id=post)
    assert await rows.ask(reader, "quality_to_viewer", other) == pytest.approx(0.8)
    assert await rows.ask(author, "quality_to_viewer", post) == pytest.approx(0.9)
    found = await rows.ask(reader, "quality_to_viewer", post)
    assert found == await rows.connection.fetchval("""SELECT post_quality('{"like": 1}', 1, 0, 0, 2, 0, 0, 0)""")
    assert (await ranking(rows, reader, [post], asked=post))[post]["quality"] == pytest.approx(found)
