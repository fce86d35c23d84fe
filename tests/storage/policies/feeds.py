"""Writes to what feeds learn from, in the form of `rules`, and whom their functions answer."""

from tests.storage.policies.rules import NO_ONE, Rules
from tests.storage.policies.world import ANYONE

_ACT = "INSERT INTO affinity_changes (user_id, target_type, target_id, kind, amount) VALUES"
_FOLLOWERS = "cohost other muted banned"

FEEDS = {
    "affinities": Rules(
        "", "", False,
        (
            (NO_ONE, "INSERT INTO affinities VALUES ({cohost}, {shy}, 1, 1, now())"),
            (NO_ONE, "UPDATE affinities SET points = 9 WHERE user_id = {other}"),
            (NO_ONE, "DELETE FROM affinities WHERE user_id = {other}"),
        ),
    ),
    "affinity_changes": Rules(
        "user_id target_type target_id kind amount is_first", "", False,
        (
            (f"{ANYONE} newcomer", _ACT + " ({me}, 'post', {open_post}, 'view', 5)"),
            (_FOLLOWERS, _ACT + " ({me}, 'post', {post}, 'view', 5)"),  # not the author
            (NO_ONE, _ACT + " ({me}, 'post', {deleted_post}, 'view', 5)"),
            (NO_ONE, _ACT + " ({speaker}, 'post', {open_post}, 'view', 5)"),
            (NO_ONE, _ACT + " ({me}, 'post', {open_post}, 'view', -5)"),
            (NO_ONE, _ACT + " ({me}, 'post', {open_post}, 'share', 1)"),
            (NO_ONE, _ACT + " ({me}, 'user', {open}, 'view', 5)"),
        ),
    ),
    "feed_hides": Rules(
        "", "", False,
        (
            (NO_ONE, "INSERT INTO feed_hides VALUES ({cohost}, {open_post}, {open}, 'spam', '{{}}')"),
            (NO_ONE, "DELETE FROM feed_hides WHERE user_id = {other}"),
        ),
    ),
}  # fmt: skip

ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    "visible_post_ids": (
        ("owner cohost other muted banned", "SELECT true FROM visible_post_ids(ARRAY [{post}])"),
        (f"{ANYONE} newcomer", "SELECT true FROM visible_post_ids(ARRAY [{open_post}])"),
        (NO_ONE, "SELECT true FROM visible_post_ids(ARRAY [{deleted_post}])"),
    ),
    "affinities": (
        (f"{ANYONE} newcomer".replace("blocked ", "").replace("owner ", ""),
         "SELECT true FROM affinities(ARRAY [{owner}])"),
        ("other", "SELECT true FROM affinities(ARRAY [{shy}]) WHERE affinity > 0"),
    ),
    "feed_ranking": (
        (_FOLLOWERS, "SELECT true FROM feed_ranking(ARRAY [{post}], '{{}}', 9, now(), false)"),
        (NO_ONE, "SELECT true FROM feed_ranking(ARRAY [{lost_post}], '{{}}', 9, now(), false)"),
        (f"owner {_FOLLOWERS}", "SELECT true FROM feed_ranking('{{}}', '{{}}', 9, now(), false, {post})"),
        (f"{ANYONE} newcomer", "SELECT true FROM feed_ranking('{{}}', ARRAY [{open_post}], 9, now(), false)"),
    ),
    "hide_post": (
        (f"owner {_FOLLOWERS}", "SELECT hide_post({post}, 'topic')"),
        (NO_ONE, "SELECT hide_post({deleted_post}, 'topic')"),
    ),
    "left_out_post_ids": (("other", "SELECT true FROM left_out_post_ids(ARRAY [{viewed_post}])"),),
    "forget_learnt": ((f"{ANYONE} newcomer nobody", "SELECT true FROM forget_learnt()"),),
    "note_visits": (
        ("nobody", "SELECT note_visits(ARRAY [{stranger}], ARRAY [{open}]) = 1"),
    ),
}  # fmt: skip
INTERNAL = (
    "decayed", "affinity", "affinity_noted", "affinities_wait", "post_quality", "fold_affinities", "hidden_posters",
    "ranking_score", "freshness", "topics_of", "hide_levels", "quality_to_viewer", "visible_posts",
)  # fmt: skip
TO_WORKERS = ("affinities_wait", "fold_affinities")
