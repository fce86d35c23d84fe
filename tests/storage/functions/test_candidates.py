"""Candidates from beyond the inbox, by the database functions alone."""

import itertools
from typing import Any

import pytest

from tests.storage.functions.rows import LAST, Rows

HELD_BACK_HOURS = 72
OLDEST_HOURS = 96


class Strangers:
    """Rows of users old enough to be recommended, and of their posts of today."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows
        self._places = itertools.count()

    async def user(self, age_hours: int = HELD_BACK_HOURS + 1, **columns: Any) -> int:
        return await self.rows.user(created_at=await self.rows.now(hours=-age_hours), **columns)

    async def post(self, author: int, age_hours: float = 1, **columns: Any) -> int:
        """Later posts have larger ids."""
        now = await self.rows.now(hours=-age_hours)
        post_id = await self.rows.connection.fetchval("SELECT snowflake_at($1)", now) + next(self._places)
        await self.rows.add(
            "posts",
            **{"id": post_id, "author_id": author, "text": "", "visibility": "public", "reply_policy": "everyone"}
            | columns,
        )
        return int(post_id)

    async def shown(self, viewer: int, *post_ids: int) -> set[int]:
        return set(await self.rows.list(viewer, "recommendable_post_ids", list(post_ids)))

    async def near(self, viewer: int) -> list[int]:
        since = await self.rows.connection.fetchval("SELECT recommended_since()")
        return await self.rows.list(viewer, "second_degree_post_ids", since, 99)


@pytest.fixture
def strangers(rows: Rows) -> Strangers:
    return Strangers(rows)


# ---------------------------------------------------------------------------------------------- recommendable_post_ids


async def test_public_posts_of_strangers_are_recommendable(strangers: Strangers):
    alice, bob = await strangers.user(), await strangers.user()
    public = await strangers.post(bob)
    others = [await strangers.post(bob, visibility=visibility) for visibility in ("followers", "private")]
    others.append(await strangers.post(bob, status="deleted"))
    others.append(await strangers.post(bob, shared_post_id=public))
    others.append(await strangers.post(bob, age_hours=OLDEST_HOURS + 1))
    others.append(await strangers.post(alice))
    others.append(liked := await strangers.post(bob))
    await strangers.rows.react(alice, liked, target_type="post")
    assert await strangers.shown(alice, public, *others) == {public}
    assert await strangers.shown(bob, public, *others) == {others[-2]}


async def test_posts_of_new_private_and_underage_accounts_are_not_recommendable(strangers: Strangers):
    rows = strangers.rows
    alice, adult, minor = await rows.user(), await strangers.user(), await strangers.user()
    for user, age in ((adult, 18), (minor, 17)):
        born = (await rows.now(years=-age)).date()
        await rows.add("accounts", user_id=user, email=f"{user}", email_key=f"{user}", birth_date=born)
    authors = [
        minor,
        await strangers.user(age_hours=HELD_BACK_HOURS - 1),
        await strangers.user(is_private=True),
        await strangers.user(status="suspended"),
    ]
    post, others = await strangers.post(adult), [await strangers.post(author) for author in authors]
    assert await strangers.shown(alice, post, *others) == {post}


async def test_posts_of_users_with_a_tie_to_the_viewer_are_not_recommendable(strangers: Strangers):
    rows = strangers.rows
    alice, blocked, blocker, muted, followed, asked = [await strangers.user() for _ in range(6)]
    friend, quiet, follower = [await strangers.user() for _ in range(3)]
    await rows.block(alice, blocked)
    await rows.block(blocker, alice)
    await rows.mute(alice, muted, "posts")
    await rows.follow(alice, followed)
    await rows.follow(alice, asked, "pending")
    await rows.mute(alice, friend, until=await rows.now(hours=-1))
    await rows.mute(alice, quiet, "stories")
    await rows.follow(follower, alice)
    posts = {author: await strangers.post(author) for author in (blocked, blocker, muted, followed, asked)}
    shown = {await strangers.post(author) for author in (friend, quiet, follower)}
    assert await strangers.shown(alice, *posts.values(), *shown) == shown


# ---------------------------------------------------------------------------------------------- second_degree_post_ids


async def test_second_degree_posts_are_of_users_whom_followed_users_follow(strangers: Strangers):
    rows = strangers.rows
    alice, bob, asked, muted, carol, far, away = [await strangers.user() for _ in range(7)]
    await rows.follow(alice, bob)
    await rows.follow(alice, asked, "pending")
    await rows.follow(alice, muted)
    await rows.mute(alice, muted)
    await rows.follow(bob, carol)
    await rows.follow(bob, alice)
    await rows.follow(carol, far)
    for other in (asked, muted):
        await rows.follow(other, away)
    posts = {author: await strangers.post(author) for author in (alice, carol, far, away)}
    assert await strangers.near(alice) == [posts[carol]]


async def test_second_degree_posts_are_what_followed_users_reacted_to_commented_on_or_shared(strangers: Strangers):
    rows = strangers.rows
    alice, bob, author = [await strangers.user() for _ in range(3)]
    await rows.follow(alice, bob)
    liked, commented, shared, saved, old = [
        await strangers.post(author, age_hours=hours) for hours in (1, 2, 3, 4, OLDEST_HOURS + 1)
    ]
    reaction = await strangers.post(author, status="deleted")  # an id of today
    for target in (liked, old):
        await rows.add("reactions", id=reaction, target_type="post", target_id=target, user_id=bob, kind="like")
    await rows.comment(commented, bob)
    await strangers.post(bob, shared_post_id=shared)
    await strangers.post(bob, shared_post_id=saved, visibility="followers")
    await rows.added("saves", user_id=bob, post_id=saved)
    assert await strangers.near(alice) == [liked, commented, shared]


async def test_second_degree_posts_with_more_ties_come_first(strangers: Strangers):
    rows = strangers.rows
    alice, bob, carol, author, other = [await strangers.user() for _ in range(5)]
    for friend in (bob, carol):
        await rows.follow(alice, friend)
        await rows.follow(friend, author)
    await rows.follow(bob, other)
    best, next_best = await strangers.post(author), await strangers.post(other)
    assert await strangers.near(alice) == [best, next_best]


# ---------------------------------------------------------------------------------------------- beyond_inbox


async def test_beyond_inbox_a_source_that_fails_leaves_the_others_alone(strangers: Strangers):
    rows = strangers.rows
    alice, bob, carol = [await strangers.user() for _ in range(3)]
    await rows.follow(alice, bob)
    await rows.follow(bob, carol)
    post = await strangers.post(carol)
    found = await rows.list(alice, "beyond_inbox", ["nonsense", "second_degree"], 9, 1_000.0)
    assert [(each["source"], each["post_ids"], each["failure"] is None) for each in found] == [
        ("nonsense", [], False),
        ("second_degree", [post], True),
    ]


async def test_beyond_inbox_sources_without_time_are_left_out(strangers: Strangers):
    alice = await strangers.user()
    [found] = await strangers.rows.list(alice, "beyond_inbox", ["second_degree"], 9, -1.0)
    assert (found["post_ids"], found["failure"]) == ([], "no time was left")


# ---------------------------------------------------------------------------------------------- similar_post_ids


def vector(*places: int) -> list[float]:
    return [float(place in places) for place in range(128)]


async def test_similar_posts_are_those_closest_to_what_the_viewer_likes(strangers: Strangers):
    rows = strangers.rows
    alice, bob, author = [await strangers.user() for _ in range(3)]
    same, near, far, old = [await strangers.post(author, age_hours=hours) for hours in (1, 2, 3, 4)]
    await rows.ask(None, "keep_user_vectors", [alice], vector(1))
    for post_id, liking in ((same, vector(1)), (near, vector(1, 2)), (far, vector(3)), (old, vector(1))):
        await rows.ask(None, "keep_post_vectors", [post_id], liking)
    assert await rows.list(alice, "similar_post_ids", far, 2) == [same, near]
    assert await rows.list(alice, "similar_post_ids", far, 9) == [same, near, far]
    assert await rows.list(bob, "similar_post_ids", 1, 9) == []


async def test_only_public_posts_get_vectors(strangers: Strangers):
    rows = strangers.rows
    alice, author, hermit = await strangers.user(), await strangers.user(), await strangers.user(is_private=True)
    posts = [await strangers.post(author, visibility=visibility) for visibility in ("public", "followers")]
    posts.append(await strangers.post(hermit))
    posts.append(await strangers.post(author, status="deleted"))
    await rows.ask(None, "keep_user_vectors", [alice, author, hermit], vector(1) * 3)
    since = await rows.connection.fetchval("SELECT snowflake_at(now() - interval '2 hours')")
    await rows.ask(None, "freshen_post_vectors", since, 9_999)
    assert await rows.list(alice, "similar_post_ids", 1, 9) == [posts[0]]
    await rows.ask(None, "keep_post_vectors", posts[1:], vector(1) * 3)
    assert set(await rows.list(alice, "similar_post_ids", 1, 9)) <= {posts[0], posts[2]}


async def test_a_new_post_is_where_its_author_and_its_engagers_are(strangers: Strangers):
    rows = strangers.rows
    cook, footballer, author, fan, newcomer = [await strangers.user() for _ in range(5)]
    places = {cook: vector(1), footballer: vector(2), author: vector(1), fan: vector(2)}
    for user, place in places.items():
        await rows.ask(None, "keep_user_vectors", [user], place)
    of_author, of_newcomer = await strangers.post(author), await strangers.post(newcomer)
    await rows.react(fan, of_newcomer, target_type="post")
    since = await rows.connection.fetchval("SELECT snowflake_at(now() - interval '2 hours')")
    await rows.ask(None, "freshen_post_vectors", since, 9_999)
    assert await rows.list(cook, "similar_post_ids", 1, 1) == [of_author]
    assert await rows.list(footballer, "similar_post_ids", 1, 1) == [of_newcomer]


async def test_what_users_did_before_they_reset_their_feeds_is_learnt_from_no_more(strangers: Strangers):
    rows = strangers.rows
    alice, bob, author = [await strangers.user() for _ in range(3)]
    for user in (alice, bob):
        await rows.add("accounts", user_id=user, email=f"{user}@", email_key=f"{user}@")
    post = await strangers.post(author)
    since = await rows.connection.fetchval("SELECT snowflake_at(now() - interval '2 hours')")

    async def learnt_from() -> list[int]:
        found = await rows.table("SELECT user_id FROM engagements($1, $2, 9999) WHERE post_id = $3", since, LAST, post)
        return sorted(user for (user,) in found)

    async def engage(user: int) -> None:
        await strangers.post(user, shared_post_id=post)
        act = {"user_id": user, "id": await rows.connection.fetchval("SELECT mint_id()")}
        await rows.add("saves", post_id=post, **act)
        await rows.add("reactions", target_type="post", target_id=post, kind="like", **act)
        await rows.add("comments", id=act["id"], post_id=post, author_id=user, text="", path=[act["id"]], depth=0)

    await engage(alice)
    await engage(bob)
    assert await learnt_from() == [*[alice] * 4, *[bob] * 4]
    await rows.ask(alice, "forget_learnt")
    assert await learnt_from() == [bob] * 4
    later = await rows.connection.fetchval("SELECT snowflake_at(clock_timestamp() + interval '1 second')")
    await rows.add("comments", id=later, post_id=post, author_id=alice, text="", path=[later], depth=0)
    assert await learnt_from() == [alice, *[bob] * 4]


async def test_vectors_of_users_are_forgotten_after_30_days_and_of_posts_with_them(strangers: Strangers):
    rows = strangers.rows
    alice, bob = await rows.users(2)
    post = await strangers.post(bob)
    await rows.ask(None, "keep_user_vectors", [alice, bob], vector(1) * 2)
    await rows.ask(None, "keep_post_vectors", [post], vector(1))
    await rows.connection.execute(
        "UPDATE user_vectors SET learnt_at = now() - interval '30 days 1 minute' WHERE user_id = $1", bob
    )
    await rows.connection.execute("UPDATE vectors.posts SET post_id = 1 WHERE post_id = $1", post)
    assert await rows.ask(None, "forget_vectors", 9_999) >= 2
    assert await rows.table("SELECT user_id FROM user_vectors WHERE user_id = ANY ($1)", [alice, bob]) == [(alice,)]
    assert await rows.table("SELECT post_id FROM vectors.posts WHERE post_id = 1") == []


# ---------------------------------------------------------------------------------------------- explorations


async def chosen(rows: Rows) -> set[int]:
    await rows.ask(None, "choose_posts_to_explore")
    return {post_id for (post_id,) in await rows.table("SELECT post_id FROM posts_to_explore")}


async def test_posts_to_explore_have_few_views_or_new_creators(strangers: Strangers):
    old, new = await strangers.user(age_hours=24 * 31), await strangers.user(age_hours=24 * 29)
    fresh = await strangers.user(age_hours=HELD_BACK_HOURS - 1)
    wanted = {
        await strangers.post(old, view_count=49), await strangers.post(new, view_count=499),
    }  # fmt: skip
    others = {
        await strangers.post(old, view_count=50),
        await strangers.post(new, view_count=500),
        await strangers.post(fresh),
        await strangers.post(old, visibility="followers"),
        await strangers.post(old, age_hours=49),
        await strangers.post(await strangers.user(is_private=True)),
    }
    assert await chosen(strangers.rows) & (wanted | others) == wanted


async def test_posts_of_authors_whom_five_established_users_do_not_want_are_not_explored(strangers: Strangers):
    rows = strangers.rows
    spammer, disliked, attacked, repeated = [await strangers.user() for _ in range(4)]
    posts = {author: await strangers.post(author) for author in (spammer, disliked, attacked, repeated)}

    async def hide(author: int, user: int, reason: str) -> None:
        post = await strangers.post(author)
        await rows.add("feed_hides", user_id=user, post_id=post, author_id=author, reason=reason, topics=[])

    for number in range(5):
        user = await strangers.user()
        await hide(spammer, user, "spam")
        if number:
            await hide(disliked, user, "author")
        await hide(attacked, await strangers.user(HELD_BACK_HOURS - 1), "spam")
        await hide(repeated, user, "seen_too_often")
    assert await chosen(rows) & {*posts.values()} == {posts[disliked], posts[attacked], posts[repeated]}


async def test_explorations_are_drawn_evenly_and_say_how_probable_they_were(strangers: Strangers):
    rows = strangers.rows
    alice, author = await strangers.user(), await strangers.user()
    await rows.follow(alice, hidden := await strangers.user())
    shown = [await strangers.post(author) for _ in range(4)]
    pool = [*shown, await strangers.post(hidden)]
    await rows.connection.execute("DELETE FROM posts_to_explore")
    for place, post_id in enumerate(pool, 1):
        await rows.add("posts_to_explore", place=place, post_id=post_id)
    drawn: list[int] = []
    for _ in range(200):
        [found] = await rows.list(alice, "beyond_inbox", ["exploration"], 1, 1_000.0)
        drawn += found["post_ids"]
        # Of 20 draws with replacement, one of the 5 is missing in 1 of 17.
        assert found["propensity"] == pytest.approx(1 / 4, abs=0.16)
    assert len(drawn) == 200
    assert all(20 <= drawn.count(post_id) <= 80 for post_id in shown)


async def test_without_posts_to_explore_nothing_is_explored(strangers: Strangers):
    alice = await strangers.user()
    await strangers.rows.connection.execute("DELETE FROM posts_to_explore")
    [found] = await strangers.rows.list(alice, "beyond_inbox", ["exploration"], 9, 1_000.0)
    assert (found["post_ids"], found["propensity"], found["failure"]) == ([], None, None)


# ---------------------------------------------------------------------------------------------- without pgvector


async def test_without_pgvector_one_source_is_empty_until_it_is_there(strangers: Strangers):
    rows = strangers.rows
    alice, author = await strangers.user(), await strangers.user()
    post = await strangers.post(author)
    await rows.ask(None, "keep_user_vectors", [alice, author], vector(1) * 2)
    await rows.connection.execute("DROP SCHEMA vectors CASCADE; CREATE SCHEMA vectors")
    assert "vector" in await rows.ask(None, "why_no_vectors")
    since = await rows.connection.fetchval("SELECT recommended_since()")
    await rows.ask(None, "keep_post_vectors", [post], vector(1))
    assert await rows.ask(None, "freshen_post_vectors", since, 9_999) == 0
    await rows.ask(None, "forget_vectors", 9)
    [found] = await rows.list(alice, "beyond_inbox", ["similar"], 9, 1_000.0)
    assert (found["post_ids"], found["failure"]) == ([], None)

    await rows.connection.execute(
        """ALTER SCHEMA vectors OWNER TO daira_owner; CREATE EXTENSION vector SCHEMA vectors;
        SET LOCAL ROLE daira_owner; SELECT ensure_vectors(); RESET ROLE"""
    )
    assert await rows.ask(None, "why_no_vectors") is None
    await rows.ask(None, "freshen_post_vectors", since, 9_999)
    [found] = await rows.list(alice, "beyond_inbox", ["similar"], 9, 1_000.0)
    assert found["post_ids"] == [post]
