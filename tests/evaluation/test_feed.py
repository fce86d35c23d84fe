"""`daira eval feed`: what it says of a small generated world, on real servers."""

from pathlib import Path

import numpy as np
import pytest

from evaluation import feed
from evaluation.exposure import coverage, gini, gini_of_exposure
from evaluation.feed_judgements import FutureLeaked
from evaluation.feed_log import DAY_MS, HOUR_MS, Action, FeedLog, Shown, read_log
from evaluation.feed_report import by_world, difference
from evaluation.feed_sessions import simulate
from evaluation.feed_world import START_MS, World, generate_world, hour_of_cairo
from evaluation.metrics import bootstrap
from tests.cluster import Cluster

PEOPLE, DAYS = 300, 6


def generate(seed: int, people: int = PEOPLE, days: int = DAYS) -> tuple[World, FeedLog]:
    random = np.random.default_rng(seed)
    world = generate_world(people, days, random)
    return world, simulate(world, days, random, lambda done: None)


@pytest.fixture(scope="module")
def generated() -> tuple[World, FeedLog]:
    return generate(7)


async def evaluate(cluster: Cluster, log: FeedLog, world: World | None) -> feed.Split:
    urls = tuple(cluster.servers.postgres_url(f"daira_{role}") for role in ("owner", "app", "worker"))
    [moment] = feed.moments(log, 1)
    return await feed.evaluate(
        log,
        world,
        (urls[0], urls[1], urls[2]),
        moment,
        most_people=120,
        seed=7,
        ablations=False,
        vectors=False,
        progress=lambda name, done: None,
    )


async def test_ranked_beats_random_and_the_oracle_beats_all(
    idle_cluster: Cluster, generated: tuple[World, FeedLog]
) -> None:
    world, log = generated
    split = await evaluate(idle_cluster, log, world)
    assert bootstrap(difference([split], "random", by_world)).low > 0
    assert bootstrap(difference([split], "random of all", by_world)).low > 0
    for name in split.outcomes:
        if name != "oracle":
            ahead = by_world(split.outcomes["oracle"]).ndcg - by_world(split.outcomes[name]).ndcg
            assert bootstrap(ahead).low > 0


async def test_a_leaked_future_is_noticed(idle_cluster: Cluster, generated: tuple[World, FeedLog]) -> None:
    _, log = generated
    shuffled = np.random.default_rng(7).permutation(log.acts.at)
    with pytest.raises(FutureLeaked):
        await evaluate(idle_cluster, log._replace(acts=log.acts._replace(at=shuffled)), None)


def test_the_same_seed_gives_the_same_log() -> None:
    (_, log), (_, again), (_, other) = (generate(seed, people=80, days=3) for seed in (1, 1, 2))
    assert all(np.array_equal(*columns) for columns in zip(log.acts, again.acts, strict=True))
    assert not np.array_equal(log.acts.post, other.acts.post)


def test_generated_people_behave_as_people_do(generated: tuple[World, FeedLog]) -> None:
    world, log = generated
    shown = log.exposures
    hours = np.bincount(hour_of_cairo(shown.at), minlength=24)
    assert hours[20:24].sum() > 4 * hours[3:7].sum()
    followers = np.bincount(log.follows.followee, minlength=PEOPLE)
    assert gini(followers) > 0.3
    assert gini(np.bincount(log.posts.author, minlength=PEOPLE)) > 0.5
    engaged = np.isin(log.acts.action, [Action.REACTION, Action.COMMENT, Action.SAVE, Action.SHARE])
    assert 0.01 < engaged.sum() / len(shown.post) < 0.15
    # People engage more with those whom they follow, and hide spam.
    pairs = log.acts.person[engaged] * len(log.posts.at) + log.acts.post[engaged]
    did = np.isin(shown.person * len(log.posts.at) + shown.post, pairs)
    assert did[shown.source == Shown.FOLLOW].mean() > 2 * did[shown.source == Shown.EXPLORATION].mean()
    hidden = log.acts.post[log.acts.action == Action.HIDE]
    is_spam = world.is_spam[log.posts.author]
    assert is_spam[hidden].mean() > 3 * is_spam.mean()
    explored = shown.source == Shown.EXPLORATION
    assert (shown.propensity[explored] > 0).all()
    assert np.isnan(shown.propensity[~explored]).all()


def test_a_log_is_cut_and_written_as_it_is(generated: tuple[World, FeedLog], tmp_path: Path) -> None:
    _, log = generated
    log.write(tmp_path / "log.npz")
    again = read_log(tmp_path / "log.npz")
    for part, other in zip(log, again, strict=True):
        assert all(np.array_equal(*columns, equal_nan=True) for columns in zip(part, other, strict=True))
    past = log.before(START_MS + 3 * DAY_MS)
    assert past.last_ms < START_MS + 3 * DAY_MS <= log.last_ms
    assert 0 < len(past.posts.at) < len(log.posts.at)
    assert past.last_ms > START_MS + 3 * DAY_MS - HOUR_MS


def test_coverage_and_gini() -> None:
    assert coverage(np.array([1, 1, 2]), 4) == 0.5
    assert gini(np.array([3, 3, 3])) == pytest.approx(0)
    assert gini(np.array([0, 0, 0, 8])) == pytest.approx(0.75)
    assert gini(np.array([1, 2, 3, 4])) == pytest.approx(0.25)
    assert gini_of_exposure(np.array([5, 5]), np.array([5, 9, 9])) == pytest.approx(0.5)
