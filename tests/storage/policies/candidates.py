"""Candidates for feeds: writes to their tables, in the form of `rules`, and whom their functions answer."""

from tests.storage.policies.rules import NO_ONE, Rules
from tests.storage.policies.world import VIEWERS

_EVERYBODY = " ".join(VIEWERS)
_ASK = "FROM beyond_inbox(ARRAY ['second_degree', 'similar', 'exploration'], 99, 1000)"
_VECTOR = "array_fill(1::real, ARRAY [128])"
_LOG = """SELECT log_exposures(ARRAY [{new}], ARRAY [{owner}], ARRAY [{open_post}], ARRAY [0], ARRAY ['similar'],
    ARRAY [NULL::real], ARRAY [true]) > 0"""

# Functions alone write these tables.
CANDIDATES = {
    "user_vectors": Rules(
        "", "", False, ((NO_ONE, f"INSERT INTO user_vectors (user_id, vector) VALUES ({{me}}, {_VECTOR})"),),
    ),
    "posts_to_explore": Rules("", "", False, ((NO_ONE, "INSERT INTO posts_to_explore VALUES (1, {open_post})"),)),
    "feed_exposures": Rules(
        "", "", False,
        (
            (NO_ONE, "INSERT INTO feed_exposures (id, user_id, post_id, place, source, is_of_whole)"
                     " VALUES ({new}, {me}, {open_post}, 0, 'similar', true)"),
        ),
    ),
}  # fmt: skip
ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    "beyond_inbox": (
        (_EVERYBODY, f"SELECT bool_and(failure IS NULL) {_ASK}"),
        # `open` has a new account, and `owner` a private one.
        (NO_ONE, f"SELECT true {_ASK} WHERE post_ids && ARRAY [{{open_post}}, {{post}}]"),
    ),
    "why_no_vectors": ((_EVERYBODY, "SELECT why_no_vectors() IS NULL"),),
    "log_exposures": (("nobody", _LOG),),  # a node logs without a viewer
}
TO_WORKERS = {
    "choose_posts_to_explore", "engagements", "freshen_post_vectors", "keep_user_vectors", "keep_post_vectors",
    "forget_vectors", "drop_old_exposures",
}  # fmt: skip
INTERNAL = TO_WORKERS | {
    "recommendable_post_ids", "recommended_since", "second_degree_post_ids", "similar_post_ids", "drawn_post_ids",
    "ensure_vectors", "has_vectors",
}  # fmt: skip
