"""Learns vectors of users and posts from users' engagement with posts, in a process of its own.

    python -m domain.vector_learning FOLDER

The folder holds arrays: `users`, `posts` (int64) and `weights` (float32) of engagements; `known_users` (int64) and
`known_vectors` (float32) of an earlier run. It writes vectors of `users.ids` and `posts.ids`, rotated so that they are
comparable with the known ones. It prints its progress (0 to 1), one line for each step.

It needs the extra `learning`. Nothing else imports it.
"""

import resource
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from implicit.als import AlternatingLeastSquares
from scipy.sparse import coo_matrix
from threadpoolctl import threadpool_limits

DIMENSIONS = 128
ITERATIONS = 12
REGULARIZATION = 10.0  # high: most users have few engagements
CONFIDENCE = 5.0  # in an engagement of weight 1, against none
FEWEST = 2  # engagements of a user or a post
MOST = 100_000  # users, and posts: those with the most engagements
MEMORY_BYTES = 4 << 30
FEWEST_KNOWN = 2  # users, by which new vectors are turned to the known ones

Ids = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]


def learn(
    users: Ids, posts: Ids, weights: npt.NDArray[np.float32], step: Callable[[float], None]
) -> tuple[Ids, Vectors, Ids, Vectors]:
    """Return the ids of users and their vectors, and the same of posts; rows of length 1."""
    for _ in range(2):  # leaving out posts takes engagements from users
        enough = _common(users) & _common(posts)
        users, posts, weights = users[enough], posts[enough], weights[enough]
    user_ids, user_rows = np.unique(users, return_inverse=True)
    post_ids, post_rows = np.unique(posts, return_inverse=True)
    if not len(weights):
        nothing = np.zeros((0, DIMENSIONS), np.float32)
        return user_ids, nothing, post_ids, nothing
    # Several engagements of a user with a post add up.
    engagements = coo_matrix((weights, (user_rows, post_rows)), (len(user_ids), len(post_ids))).tocsr()
    with threadpool_limits(1, "blas"):
        model = AlternatingLeastSquares(
            factors=DIMENSIONS, regularization=REGULARIZATION, alpha=CONFIDENCE, iterations=ITERATIONS, num_threads=1,
            random_state=0,
        )  # fmt: skip
        model.fit(engagements, show_progress=False, callback=lambda done, *_: step((done + 1) / ITERATIONS))
    return user_ids, _normalized(model.user_factors), post_ids, _normalized(model.item_factors)


def turn(vectors: Vectors, new: Vectors, known: Vectors) -> Vectors:
    """Turn vectors by the rotation that brings `new` closest to `known` (orthogonal Procrustes)."""
    left, _, right = np.linalg.svd(new.T @ known)
    turned: Vectors = (vectors @ (left @ right)).astype(np.float32)
    return turned


def _common(ids: Ids) -> npt.NDArray[np.bool_]:
    """Which of them belong to the `MOST` ids with the most engagements, of at least `FEWEST`."""
    _, rows, amounts = np.unique(ids, return_inverse=True, return_counts=True)
    least = max(FEWEST, np.sort(amounts)[-MOST] if len(amounts) > MOST else 0)
    enough: npt.NDArray[np.bool_] = amounts[rows] >= least
    return enough


def _normalized(vectors: npt.NDArray[np.float32]) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    normalized: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return normalized


def main(folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

    user_ids, user_vectors, post_ids, post_vectors = learn(
        np.fromfile(folder / "users", np.int64),
        np.fromfile(folder / "posts", np.int64),
        np.fromfile(folder / "weights", np.float32),
        lambda done: print(done, flush=True),
    )
    known_users = np.fromfile(folder / "known_users", np.int64)
    known_vectors = np.fromfile(folder / "known_vectors", np.float32).reshape(-1, DIMENSIONS)
    _, new_rows, known_rows = np.intersect1d(user_ids, known_users, return_indices=True)
    if len(new_rows) >= FEWEST_KNOWN:
        pair = user_vectors[new_rows], known_vectors[known_rows]
        user_vectors, post_vectors = turn(user_vectors, *pair), turn(post_vectors, *pair)
    for name, ids, vectors in (("users", user_ids, user_vectors), ("posts", post_ids, post_vectors)):
        is_placed = vectors.any(axis=1)
        ids[is_placed].tofile(folder / f"{name}.ids")
        vectors[is_placed].tofile(folder / f"{name}.vectors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
