"""Ranks results: the best text comes first. Among equal texts, the fresher and the socially closer come first."""

from datetime import UTC, datetime, timedelta

from domain import search_ranking
from storage import search
from storage.search import FoundPostRow, FoundUserRow
from storage.search_engine import Found
from storage.snowflakes import EPOCH_MS

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def minted(age: timedelta) -> int:
    return (int((NOW - age).timestamp() * 1_000) - EPOCH_MS) << 22


def post(age: timedelta, text: str = "كشري في وسط البلد", *, affinity: float = 0.0, author_id: int = 5) -> FoundPostRow:
    return FoundPostRow(id=minted(age), author_id=author_id, text=text, engagement=0, affinity=affinity)


def user(user_id: int, username: str, name: str, *, followers: int = 0, affinity: float = 0.0) -> FoundUserRow:
    return FoundUserRow(
        id=user_id, username=username, display_name=name, avatar_url=None, is_verified=False,
        follower_count=followers, mutes=False, affinity=affinity,
    )  # fmt: skip


def order_of_posts(q: str, *rows: FoundPostRow, scores: tuple[float, ...] = ()) -> list[int]:
    found = [Found("post", row["id"], score, "") for row, score in zip(rows, scores or (1.0,) * len(rows), strict=True)]
    ranked = search_ranking.rank_posts(q, found, rows, 1, NOW)
    return [next(place for place, row in enumerate(rows) if row["id"] == post_id) for _, post_id in ranked]


def test_posts():
    day = timedelta(days=1)
    assert order_of_posts("كشري", post(30 * day), post(day)) == [1, 0]
    assert order_of_posts("كشري", post(day), post(2 * day, affinity=1.0)) == [1, 0]
    assert order_of_posts("كشري", post(day, affinity=0.5), post(2 * day, author_id=1)) == [1, 0]
    # An old post with the word beats a new one that only sounds like it.
    assert order_of_posts("كشري", post(day, "قشرة الرأس"), post(90 * day), scores=(0.7, 1.0)) == [1, 0]
    assert order_of_posts("كشري") == []


def test_an_exact_match_comes_before_fresher_inexact_ones():
    old, fresh = post(timedelta(days=365)), timedelta(hours=1)
    for text in ("محل koshary في وسط البلد", "كشرة في وسط البلد", "قشرة في وسط البلد"):
        assert order_of_posts("كشري", post(fresh, text), old, scores=(0.7, 1.0)) == [1, 0], text
    # The words of the query apart, or in another order, are no clear difference.
    assert order_of_posts("كشري البلد", post(fresh), old) == [0, 1]


def test_an_exact_match_far_back_in_a_long_text_comes_before_inexact_ones():
    long = post(timedelta(days=9), ("كلام كتير عن الاكل " * 20)[: search.BEGINNING])
    for text in ("محل koshary في وسط البلد", "koshary", "قشرة في وسط البلد"):
        for score in (0.9, 0.7):
            assert order_of_posts("كشري", post(timedelta(days=8), text), long, scores=(score, 1.0)) == [1, 0], text
    assert order_of_posts("كشري", long, post(timedelta(days=90)), scores=(0.7, 1.0)) == [1, 0]


def test_users():
    rows = [
        user(1, "mohamed1", "محمد", followers=10), user(2, "mohamed", "Mo"), user(3, "mohamed3", "محمد", affinity=1.0),
        user(4, "m4", "محمود عبد العزيز", followers=10**6),
    ]  # fmt: skip
    found = [Found("user", row["id"], 1.0, "") for row in rows]
    by_username = [user_id for _, user_id in search_ranking.rank_users("@Mohamed", found, rows)]
    assert by_username[0] == 2
    by_name = [user_id for _, user_id in search_ranking.rank_users("محمد", found, rows)]
    assert by_name[:2] == [3, 1]


def test_only_so_many_texts_are_compared(monkeypatch):
    compared = []
    monkeypatch.setattr(search_ranking, "similarity", lambda q, text: compared.append(text) or 0.5)
    order = order_of_posts("كشري", *(post(timedelta(hours=hour)) for hour in range(300)))
    assert order == list(range(300))
    assert len(compared) == search_ranking.MOST_COMPARED
