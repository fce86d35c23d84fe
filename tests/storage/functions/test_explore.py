"""Hashtags, trends and trending posts, by the database functions alone."""

import itertools
from datetime import date, timedelta
from typing import Any

import pytest

from tests.storage.functions.rows import LAST, Rows

HOUR = timedelta(hours=1)
COUNTRY = "egypt"


class Tags:
    """Users who write posts with hashtags, as the worker notes them. All have unique folded tags of this test."""

    def __init__(self, rows: Rows, tag: str) -> None:
        self.rows = rows
        self.tag = tag
        self._ids = itertools.count(LAST - 10**9 - hash(tag) % 10**8)

    async def author(self, *, age_h: float = 73, governorate: str | None = None, **columns: Any) -> int:
        """An author whose account is that old."""
        author = await self.rows.user(created_at=await self.rows.now(hours=-age_h), **columns)
        name = f"{self.tag}{author}"
        await self.rows.add("accounts", user_id=author, email=name, email_key=name, governorate=governorate)
        return author

    async def write(self, author: int, *tags: str, at: timedelta = timedelta(), **columns: Any) -> int:
        """Write a post and note it at now + `at`, but not before the present hour unless `at` says so."""
        post = await self.rows.post(author, **columns)
        await self.note(post, author, *tags or (self.tag,), at=at)
        return post

    async def note(self, post: int, author: int, *tags: str, version: int = 1, at: timedelta = timedelta()) -> None:
        written = [*tags]
        await self.rows.ask(None, "note_tags", post, author, version, written, written, await self.rows.now() + at)

    async def people(self, place: str = COUNTRY, tag: str | None = None) -> list[int]:
        """People in each hour, oldest first."""
        return [
            people
            for (people,) in await self.rows.table(
                "SELECT people FROM tag_hours WHERE place = $1 AND tag = $2 ORDER BY hour", place, tag or self.tag
            )
        ]

    async def heat(self, place: str = COUNTRY, tag: str | None = None) -> float | None:
        return await self.rows.connection.fetchval(
            "SELECT heat_at(observed, now(), '2 hours') FROM tag_heat WHERE place = $1 AND tag = $2",
            place, tag or self.tag,
        )  # fmt: skip

    async def trends(self, place: str = COUNTRY) -> dict[str, int]:
        """Trends of this test: people by tag, in order."""
        await self.rows.ask(None, "refresh_trends", 1_000)
        found = await self.rows.list(None, "trends_in", place)
        return {row["tag"]: row["people"] for row in found if row["tag"].startswith(self.tag)}


@pytest.fixture
def tags(rows: Rows, request: pytest.FixtureRequest) -> Tags:
    return Tags(rows, request.node.name.replace("_", ""))


@pytest.mark.parametrize("half_lives", [0, 1, 3])
async def test_a_sum_halves_with_each_half_life(rows: Rows, half_lives: int):
    heat = await rows.connection.fetchval(
        "SELECT heat_at(heated(heated(NULL, now(), '2 hours'), now(), '2 hours'), now() + $1, '2 hours')",
        timedelta(hours=2 * half_lives),
    )
    assert heat == pytest.approx(2 / 2**half_lives)


async def test_a_sum_takes_terms_of_any_order_and_age(rows: Rows):
    for first, second in ((0, -4), (-4, 0), (0, -(10**5)), (-(10**5), 0)):
        heat = await rows.connection.fetchval(
            "SELECT heat_at(heated(heated(NULL, now() + $1, '2 hours'), now() + $2, '2 hours'), now(), '2 hours')",
            timedelta(hours=first), timedelta(hours=second),
        )  # fmt: skip
        assert heat == pytest.approx(1.25 if -4 in (first, second) else 1)


async def test_a_person_counts_once_per_hour_and_tag(tags: Tags):
    author = await tags.author(governorate="aswan")
    for _ in range(3):
        post = await tags.write(author)
        await tags.note(post, author, tags.tag)  # the event is delivered again
    assert await tags.people() == await tags.people("aswan") == [1]
    assert await tags.people("giza") == []
    assert await tags.heat() == pytest.approx(1)
    await tags.write(author, at=-HOUR)
    await tags.write(await tags.author())
    assert await tags.people() == [1, 2]
    assert await tags.people("aswan") == [1, 1]


@pytest.mark.parametrize("columns", [{"age_h": 71}, {"is_private": True}, {"status": "suspended"}])
async def test_uses_of_new_private_and_suspended_accounts_do_not_count(tags: Tags, columns: dict[str, Any]):
    await tags.write(await tags.author(**columns))
    assert await tags.people() == []


@pytest.mark.parametrize("visibility", ["followers", "circle", "private"])
async def test_posts_that_not_everybody_may_see_do_not_count_and_are_not_found(tags: Tags, visibility: str):
    author = await tags.author()
    circle = await tags.rows.circle(author) if visibility == "circle" else None
    await tags.write(author, visibility=visibility, circle_id=circle)
    assert await tags.people() == []
    assert await tags.rows.list(author, "tagged_post_ids", tags.tag, LAST, 9) == []


async def test_an_edit_counts_only_hashtags_that_are_new(tags: Tags):
    author = await tags.author()
    first, second = f"{tags.tag}a", f"{tags.tag}b"
    post = await tags.write(author, first, at=-3 * HOUR)
    await tags.rows.connection.execute("UPDATE posts SET version = 2 WHERE id = $1", post)
    await tags.note(post, author, first, second, version=2)
    assert await tags.people(tag=first) == await tags.people(tag=second) == [1]
    await tags.note(post, author, first, version=1)  # an older event comes late
    assert await tags.rows.list(author, "tagged_post_ids", second, LAST, 9) == [post]
    await tags.rows.connection.execute("UPDATE posts SET version = 3 WHERE id = $1", post)
    await tags.note(post, author, first, version=3)
    assert await tags.people(tag=second) == [0]
    assert await tags.rows.list(author, "tagged_post_ids", second, LAST, 9) == []


async def test_a_deleted_post_counts_no_more_unless_another_stands(tags: Tags):
    author = await tags.author(governorate="aswan")
    posts = [await tags.write(author) for _ in range(2)]
    for post, people in zip(posts, (1, 0), strict=True):
        await tags.rows.connection.execute(
            "UPDATE posts SET status = 'deleted', deleted_at = now() WHERE id = $1", post
        )
        await tags.note(post, author)
        assert await tags.people() == await tags.people("aswan") == [people]
    assert await tags.rows.list(author, "tagged_post_ids", tags.tag, LAST, 9) == []


async def test_a_hashtag_that_is_taken_back_and_written_again_counts_once(tags: Tags):
    author, others = await tags.author(governorate="aswan"), [await tags.author() for _ in range(19)]
    for other in others:
        await tags.write(other)
    post = await tags.write(author)
    assert await tags.trends() == {tags.tag: 20}
    for version in range(2, 8):
        await tags.rows.connection.execute("UPDATE posts SET version = $2 WHERE id = $1", post, version)
        written = [tags.tag] if version % 2 else []
        await tags.note(post, author, *written, version=version)
        assert await tags.people("aswan") == [len(written)]
        assert await tags.people() == [19 + len(written)]
        assert await tags.trends() == ({tags.tag: 20} if written else {})
    await tags.rows.connection.execute("UPDATE posts SET status = 'deleted', deleted_at = now() WHERE id = $1", post)
    await tags.note(post, author, version=7)
    await tags.write(author)
    assert await tags.people("aswan") == [1]
    assert await tags.heat("aswan") == pytest.approx(1)


async def test_nothing_from_fewer_than_20_people_is_a_trend(tags: Tags):
    authors = [await tags.author(governorate="aswan") for _ in range(20)]
    for author in authors[:19]:
        for _ in range(3):
            await tags.write(author)
            await tags.write(author, at=-HOUR)
    assert await tags.trends() == await tags.trends("aswan") == {}
    last = await tags.write(authors[19])
    assert await tags.trends() == await tags.trends("aswan") == {tags.tag: 20}
    await tags.rows.connection.execute("UPDATE posts SET status = 'deleted', deleted_at = now() WHERE id = $1", last)
    await tags.note(last, authors[19])
    assert await tags.trends() == await tags.trends("aswan") == {}


@pytest.mark.parametrize("change", ["is_private = true", "status = 'suspended'"])
async def test_who_closes_the_account_is_not_among_the_20(tags: Tags, change: str):
    authors = [await tags.author() for _ in range(20)]
    for author in authors:
        await tags.write(author)
    assert await tags.trends() == {tags.tag: 20}
    await tags.rows.connection.execute(f"UPDATE users SET {change} WHERE id = $1", authors[0])
    assert await tags.trends() == {}


async def test_counts_do_not_show_one_person_more_or_less(tags: Tags):
    """Neither over time, nor as the difference between the country and a governorate."""
    for _ in range(25):
        await tags.write(await tags.author(governorate="aswan"))
    before = await tags.trends(), await tags.trends("aswan")
    await tags.write(await tags.author(governorate="giza"))
    assert (await tags.trends(), await tags.trends("aswan")) == before == ({tags.tag: 20}, {tags.tag: 20})
    assert await tags.trends("giza") == {}
    [hours] = [row["hours"] for row in await tags.rows.list(None, "trends_in", COUNTRY) if row["tag"] == tags.tag]
    assert hours == [0] * 23 + [20]


@pytest.mark.parametrize(
    ("people", "shown"), [(0, 0), (19, 0), (20, 20), (29, 20), (30, 30), (999, 990), (1_000, 1_000), (10**6, 1_000)]
)
async def test_counts_of_people_are_rounded_down(rows: Rows, people: int, shown: int):
    assert await rows.ask(None, "blurred", people) == shown


async def test_one_person_with_many_posts_makes_no_trend(tags: Tags):
    author = await tags.author()
    for hour in range(20):
        for _ in range(5):
            await tags.write(author, at=-hour * HOUR)
    assert await tags.trends() == {}


async def test_many_posts_of_a_few_people_do_not_hide_a_trend(tags: Tags):
    few = [await tags.author() for _ in range(5)]
    await tags.rows.connection.execute(
        """INSERT INTO tag_uses (tag, hour, user_id, post_id, spelling)
        SELECT $1, date_trunc('hour', now()) - hours * interval '1 hour', author, -posts, 'x'
        FROM generate_series(0, 23) hours, generate_series(1, 20) posts, unnest($2::bigint[]) author""",
        tags.tag, few,
    )  # fmt: skip
    for _ in range(15):
        await tags.write(await tags.author(), at=-20 * HOUR)
    for author in few:
        await tags.write(author, at=-HOUR)
    await tags.rows.connection.execute(
        "INSERT INTO tag_heat VALUES ($1, $2, heated(NULL, now(), '2 hours') + 9, heated(NULL, now(), '7 days'))"
        " ON CONFLICT (place, tag) DO UPDATE SET observed = excluded.observed",
        COUNTRY, tags.tag,
    )  # fmt: skip
    assert await tags.trends() == {tags.tag: 20}


async def test_a_brigade_of_new_accounts_makes_no_trend(tags: Tags):
    for _ in range(100):
        await tags.write(await tags.author(age_h=1))
    for _ in range(19):
        await tags.write(await tags.author())
    assert await tags.trends() == {}


async def test_what_is_used_as_usual_is_no_trend_and_what_rises_wins(tags: Tags):
    usual, risen, fresh = (f"{tags.tag}{name}" for name in ("usual", "risen", "fresh"))
    authors = [await tags.author() for _ in range(60)]
    for author in authors[:30]:
        await tags.write(author, fresh)
    for author in authors:
        await tags.write(author, usual, risen)
    for tag, people in ((usual, 60), (risen, 12)):  # as many people in the average of 7 days
        await tags.rows.connection.execute(
            "UPDATE tag_heat SET usual = usual + ln($2::float8 * 84 / 60) / ln(2::float8) WHERE tag = $1", tag, people
        )
    assert list(await tags.trends()) == [fresh, risen]


async def test_a_trend_is_written_as_most_people_write_it(tags: Tags):
    for number in range(20):
        post = await tags.rows.post(author := await tags.author())
        spelling = "Koshary" if number % 3 else "KOSHARY"
        await tags.rows.ask(None, "note_tags", post, author, 1, [tags.tag], [spelling], await tags.rows.now())
    await tags.trends()
    [row] = [row for row in await tags.rows.list(None, "trends_in", COUNTRY) if row["tag"] == tags.tag]
    assert row["spelling"] == "Koshary"


async def test_old_counts_are_deleted(tags: Tags):
    author = await tags.author(governorate="aswan")
    await tags.write(author)
    for table in ("tag_uses", "tag_hours"):
        await tags.rows.connection.execute(
            f"UPDATE {table} SET hour = hour - interval '26 hours' WHERE tag = $1", tags.tag
        )
    await tags.rows.ask(None, "forget_heat", 10**6)
    assert await tags.people() == []
    assert await tags.rows.table("SELECT post_id FROM tag_uses WHERE tag = $1", tags.tag) == []
    assert await tags.heat() is not None
    await tags.rows.connection.execute("UPDATE tag_heat SET observed = observed - 14 * 24 - 1 WHERE tag = $1", tags.tag)
    await tags.rows.ask(None, "forget_heat", 10**6)
    assert await tags.heat() is None


# -------------------------------------------------------------------------------------------------- trending posts


async def trending(tags: Tags, posts: list[int], *, only_videos: bool = False) -> list[int]:
    """The trending posts among these."""
    found = await tags.rows.list(None, "trending_post_ids", 10_000, only_videos)
    return [post for post in found if post in posts]


async def fresh_post(tags: Tags, author: int, **columns: Any) -> int:
    """A post of now: ids of other rows of a test are of 2024."""
    post = await tags.rows.connection.fetchval("SELECT snowflake_at(now()) - $1", next(tags._ids) % 10**9)
    columns = {"author_id": author, "text": "", "visibility": "public", "reply_policy": "everyone", **columns}
    await tags.rows.add("posts", id=post, **columns)
    return post


async def care(tags: Tags, post: int, *people: int) -> None:
    for person in people:
        await tags.rows.ask(None, "note_engagement", post, person, await tags.rows.now())


async def test_trending_posts_are_those_that_most_people_care_for(tags: Tags):
    people = [await tags.author() for _ in range(3)]
    few, many, none = [await fresh_post(tags, await tags.author()) for _ in range(3)]
    await care(tags, few, people[0], people[0], people[0], people[0])  # a person counts once
    await care(tags, many, *people[:2])
    assert await trending(tags, [few, many, none]) == [many, few]
    await tags.rows.connection.execute("UPDATE posts SET status = 'deleted', deleted_at = now() WHERE id = $1", many)
    assert await trending(tags, [few, many, none]) == [few]


async def test_new_accounts_authors_and_private_ones_do_not_make_a_post_trend(tags: Tags):
    author = await tags.author()
    post = await fresh_post(tags, author)
    await care(tags, post, author, await tags.author(age_h=71), await tags.author(is_private=True))
    assert await trending(tags, [post]) == []


@pytest.mark.parametrize(
    "columns", [{"age_h": 71}, {"is_private": True}, {"status": "suspended"}, {"birth_date": date(2020, 1, 1)}]
)
async def test_posts_of_new_private_suspended_and_young_authors_do_not_trend(tags: Tags, columns: dict[str, Any]):
    birth_date = columns.pop("birth_date", None)
    author = await tags.author()
    before, after = await fresh_post(tags, author), await fresh_post(tags, author)
    person = await tags.author()
    await care(tags, before, person)
    assert await trending(tags, [before]) == [before]
    for column, value in columns.items():
        if column == "age_h":
            column, value = "created_at", await tags.rows.now(hours=-value)
        await tags.rows.connection.execute(f"UPDATE users SET {column} = $2 WHERE id = $1", author, value)
    await tags.rows.connection.execute("UPDATE accounts SET birth_date = $2 WHERE user_id = $1", author, birth_date)
    await care(tags, after, person)
    assert await trending(tags, [before, after]) == []


@pytest.mark.parametrize("visibility", ["followers", "circle", "private"])
async def test_posts_that_not_everybody_may_see_do_not_trend(tags: Tags, visibility: str):
    author = await tags.author()
    circle = await tags.rows.circle(author) if visibility == "circle" else None
    post = await fresh_post(tags, author, visibility=visibility, circle_id=circle)
    await care(tags, post, await tags.author())
    assert await trending(tags, [post]) == []


async def test_posts_of_before_48_hours_do_not_trend(tags: Tags):
    post = await tags.rows.post(await tags.author())
    await care(tags, post, await tags.author())
    assert await trending(tags, [post]) == []


async def test_at_most_two_posts_of_an_author_trend(tags: Tags):
    author, person = await tags.author(), await tags.author()
    posts = [await fresh_post(tags, author) for _ in range(3)]
    for post in posts:
        await care(tags, post, person)
    assert len(await trending(tags, posts)) == 2


async def test_trending_videos_are_posts_with_a_video(tags: Tags):
    person = await tags.author()
    film, picture = [await fresh_post(tags, await tags.author()) for _ in range(2)]
    for post, kind in ((film, "video"), (picture, "image")):
        await tags.rows.added(
            "media", owner_id=person, kind=kind, status="ready", content_type="x", filename="x", size_bytes=1,
            object_key=f"private/{tags.tag}{kind}/", target_type="post", target_id=post, position=0,
        )  # fmt: skip
        await care(tags, post, person)
    assert await trending(tags, [film, picture], only_videos=True) == [film]
    assert set(await trending(tags, [film, picture])) == {film, picture}


async def test_older_posts_are_entered_under_their_hashtags_newest_first(tags: Tags):
    author = await tags.author()
    posts = [await tags.rows.post(author, hashtags=[tags.tag]) for _ in range(2)]
    hidden = await tags.rows.post(author, hashtags=[tags.tag], visibility="followers")
    await tags.rows.connection.execute("UPDATE post_tags_backfill SET below = $1", hidden + 1)
    found = await tags.rows.list(None, "untagged_posts")
    written = {row["post_id"]: row["hashtags"] for row in found}
    assert [written[post] for post in (*posts, hidden)] == [[tags.tag], [tags.tag], []]
    assert not any(row["is_recent"] for row in found if row["post_id"] in (*posts, hidden))
    below = min(written)
    await tags.rows.ask(None, "enter_tags", below, [tags.tag] * 2, posts)
    assert await tags.rows.list(author, "tagged_post_ids", tags.tag, LAST, 9) == posts[::-1]
    assert await tags.rows.list(None, "untagged_posts") == []
