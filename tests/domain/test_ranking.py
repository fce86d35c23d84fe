"""Ranking: the formula and each of its signals."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import ranking
from storage.posts import Candidate
from storage.snowflakes import EPOCH_MS


def test_the_formula():
    assert ranking.score(0.8, 0.5, 1, 0.5, 0) == pytest.approx(0.655)
    assert ranking.score(0.8, 0.5, 1, 0.5, 0.5) == pytest.approx(0.455)


NOON = datetime(2026, 3, 1, 10, tzinfo=UTC)  # noon in Cairo
EVENING = datetime(2026, 3, 1, 19, tzinfo=UTC)  # 21:00 in Cairo


def ms(at):
    return int(at.timestamp() * 1_000) - EPOCH_MS


@pytest.mark.parametrize(
    ("posted_at", "half_life_h"),
    [
        (NOON, 6), (EVENING, 9),
        (datetime(2026, 3, 1, 17, 59, tzinfo=UTC), 6), (datetime(2026, 3, 1, 18, tzinfo=UTC), 9),
        (datetime(2026, 3, 1, 20, 59, tzinfo=UTC), 9), (datetime(2026, 3, 1, 21, tzinfo=UTC), 6),
        (datetime(2026, 7, 1, 17, tzinfo=UTC), 9), (datetime(2026, 7, 1, 20, tzinfo=UTC), 6),  # summer time
    ],
    ids=str,
)  # fmt: skip
def test_freshness_halves_and_evenings_keep_for_longer(posted_at, half_life_h):
    posted = ms(posted_at)
    assert ranking.freshness(posted, posted) == 1
    assert ranking.freshness(posted, posted + half_life_h * ranking.HOUR_MS) == pytest.approx(0.5)
    assert ranking.freshness(posted, posted - ranking.HOUR_MS) == 1


def candidate(post_id=1, author_id=1, *, follows=True, followed_by=False, is_named=False, views=0, original=None):
    number = ms(NOON) << 22 | post_id
    return Candidate(number, author_id, follows, followed_by, is_named, 0, 0, 0, 0, views, original or number)


def test_engagement_raises_quality_and_being_ignored_lowers_it():
    unseen = ranking.quality(0, 0, 0, 0, 0)
    loved = ranking.quality(90, 10, 0, 0, 100)
    ignored = ranking.quality(0, 0, 0, 0, 1_000)
    assert ignored < unseen == ranking.PRIOR_QUALITY < loved <= 1
    assert ranking.quality(10, 0, 0, 0, 100) == ranking.quality(0, 5, 0, 0, 100) == ranking.quality(0, 0, 5, 0, 100)
    assert ranking.quality(10, 0, 0, 0, 100) == ranking.quality(0, 0, 0, 10, 100)


def test_friends_rank_above_acquaintances_and_an_author_does_not_fill_the_page():
    friend, acquaintance = candidate(1, 1, followed_by=True), candidate(2, 2)
    assert [post_id for post_id, _ in ranking.rank([acquaintance, friend], NOON)] == [
        friend.post_id,
        acquaintance.post_id,
    ]
    talkative = [candidate(number, 1) for number in range(3)]
    scores = [score for _, score in ranking.rank(talkative, NOON)]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] - scores[1] == pytest.approx(0.05)


def test_of_a_post_and_its_shares_the_best_is_kept():
    post = candidate(1, 1)
    shares = [candidate(number, number, followed_by=number == 3, original=post.post_id) for number in (2, 3, 4)]
    other = candidate(5, 5)
    ranked = [post_id for post_id, _ in ranking.rank([post, *shares, other], NOON)]
    assert ranked == [shares[1].post_id, other.post_id]


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans(), st.booleans(), st.integers(0, 10_000)), max_size=30))
def test_scores_stay_within_bounds_and_no_post_is_lost(posts):
    rows = [
        candidate(number, author, follows=follows, followed_by=back, views=views)
        for number, (author, follows, back, views) in enumerate(posts)
    ]
    ranked = ranking.rank(rows, NOON + timedelta(hours=1))
    assert {post_id for post_id, _ in ranked} == {each.post_id for each in rows}
    assert all(0 <= score <= 0.95 for _, score in ranked)
    assert all(a[1] >= b[1] for a, b in itertools.pairwise(ranked))
