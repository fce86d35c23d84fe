"""The places of recommendations in a ranked feed."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from domain import ranking
from storage.feed_ranking import Ranking

POINTS = st.floats(-0.4, 0.95)


def ranked(own: list[float], recommended: list[float]) -> Ranking:
    """Own posts have ids from 1, recommended ones from 1,001."""
    own, recommended = sorted(own, reverse=True), sorted(recommended, reverse=True)
    return Ranking([*range(1, len(own) + 1)], own, [*range(1_001, len(recommended) + 1_001)], recommended)


@given(st.lists(POINTS, max_size=60), st.lists(POINTS, max_size=30), st.integers(0, 30))
def test_recommendations_fill_at_most_a_fifth_and_never_stand_together_until_a_short_feed_ends(
    own, recommended, explored
):
    found = ranked(own, recommended)
    order = [post_id for post_id, _ in ranking.mix(found, found.recommended_ids[:explored])]
    assert [post_id for post_id in order if post_id < 1_000] == found.post_ids
    assert len({*order}) == len(order)
    if len(own) < ranking.FULL:
        assert {*order} == {*found.post_ids, *found.recommended_ids}
        order = order[: order.index(found.post_ids[-1])] if own else []
    places = [place for place, post_id in enumerate(order) if post_id > 1_000]
    assert all(later - earlier > ranking.BETWEEN_RECOMMENDED for earlier, later in itertools.pairwise([-1, *places]))
    for start in range(len(order)):
        assert sum(start <= place < start + 5 for place in places) <= 1


def test_a_recommendation_stands_where_its_score_puts_it():
    found = ranked([0.9, 0.9, 0.9, 0.9, 0.9, 0.5, 0.4], [0.6, 0.3])
    assert [post_id for post_id, _ in ranking.mix(found, [])] == [1, 2, 3, 4, 5, 1_001, 6, 7, 1_002]


def test_each_tenth_place_explores_in_the_order_of_the_draw():
    found = ranked([0.9] * 40, [0.1, 0.05, 0.01])
    order = [post_id for post_id, _ in ranking.mix(found, [1_003, 1_001])]
    assert [order[9], order[19]] == [1_003, 1_001]
    assert 1_002 not in order


def test_an_empty_feed_has_recommendations_alone_the_best_first_and_each_tenth_explored():
    found = ranked([], [0.9] * 12)
    drawn = [1_012, 1_001, 1_011]
    order = [post_id for post_id, _ in ranking.mix(found, drawn)]
    assert order == [*range(1_002, 1_011), 1_012, 1_001, 1_011]


def test_posts_that_were_seen_neither_appear_nor_fill_a_feed():
    found = ranked([0.9] * 30, [0.5, 0.4])
    order = ranking.mix(found, [], {30, 1_002})
    assert order == [(30, 0.9), (1_002, 0.4)]
