"""Vectors of users and posts: users of the same posts are close, and new vectors can be compared with old ones."""

import numpy as np

from domain.vector_learning import DIMENSIONS, learn, turn

USERS, POSTS = 40, 30


def two_tastes(seed: int) -> tuple[list[int], list[int]]:
    """Engagements: users with even ids like posts with even ids, the others posts with odd ids."""
    chance = np.random.default_rng(seed)
    pairs = [(user, post) for user in range(USERS) for post in range(POSTS) if user % 2 == post % 2]
    kept = [pair for pair in pairs if chance.random() < 0.5]
    return [user for user, _ in kept], [100 + post for _, post in kept]


def vectors(seed: int = 1):
    users, posts = two_tastes(seed)
    return learn(
        np.array(users, np.int64), np.array(posts, np.int64), np.ones(len(users), np.float32), lambda done: None
    )


def test_posts_that_similar_users_engaged_with_are_closest_to_a_user():
    user_ids, user_vectors, post_ids, post_vectors = vectors()
    assert user_vectors.shape == (len(user_ids), DIMENSIONS)
    closest = np.argsort(-user_vectors @ post_vectors.T)[:, : POSTS // 2]
    assert np.mean(post_ids[closest] % 2 == user_ids[:, None] % 2) > 0.95


def test_new_vectors_are_turned_to_those_that_are_known():
    _, known, _, _ = vectors()
    user_ids, new, _, _ = vectors(seed=2)
    rotation = np.linalg.qr(np.random.default_rng(3).normal(size=(DIMENSIONS, DIMENSIONS)))[0]
    rotated = (known @ rotation).astype(np.float32)
    assert np.allclose(turn(rotated, rotated, known), known, atol=1e-4)
    turned = turn(new, new, known)
    same = (user_ids[:, None] % 2) == (user_ids[None, :] % 2)
    closeness = turned @ known.T
    assert closeness[same].mean() > closeness[~same].mean() + 0.2


def test_users_and_posts_with_one_engagement_are_left_out():
    users, posts = two_tastes(1)
    user_ids, _, post_ids, _ = learn(
        np.array([*users, 999], np.int64), np.array([*posts, 888], np.int64), np.ones(len(users) + 1, np.float32),
        lambda done: None,
    )  # fmt: skip
    assert 999 not in user_ids
    assert 888 not in post_ids


def test_of_nothing_nothing_is_learnt():
    nothing = np.zeros(0, np.int64)
    user_ids, user_vectors, post_ids, _ = learn(nothing, nothing, np.zeros(0, np.float32), lambda done: None)
    assert len(user_ids) == len(post_ids) == len(user_vectors) == 0
