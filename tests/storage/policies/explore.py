"""Rights to hashtags, trends and suggestions, in the forms of `rules` and `answers`.

Users write only whom they dismiss; all else is written and read by functions alone.
"""

from tests.storage.policies.rules import NO_ONE, Rules
from tests.storage.policies.world import ANYONE, VIEWERS

_EVERYBODY = " ".join(VIEWERS)
_SIGNED_IN = _EVERYBODY.replace(" nobody", "")
_LAST = "9223372036854775807"
_DISMISS = "INSERT INTO dismissed_people (user_id, dismissed_id) VALUES"
_DISMISS_OWNER = "INSERT INTO dismissed_people (user_id, dismissed_id) SELECT {me}, {owner} WHERE {me} <> {owner}"
_OF_OWNER = "SELECT true FROM suggested_people(50) WHERE user_id = {owner}"

EXPLORE = {
    "dismissed_people": Rules(
        "user_id dismissed_id", "", False,
        (
            (ANYONE, _DISMISS + " ({me}, {open})"),
            (ANYONE.replace(" blocked", "").removeprefix("owner "), _DISMISS_OWNER),
            (NO_ONE, _DISMISS + " ({speaker}, {open})"),
            (NO_ONE, "DELETE FROM dismissed_people WHERE user_id = {owner}"),
        ),
    ),
    "post_tags": Rules("", "", False, ((NO_ONE, "DELETE FROM post_tags WHERE post_id = {star_post}"),)),
    "post_tags_backfill": Rules("", "", False, ((NO_ONE, "UPDATE post_tags_backfill SET below = 0"),)),
    "tag_uses": Rules("", "", False, ((NO_ONE, "DELETE FROM tag_uses WHERE user_id = {star}"),)),
    "tag_hours": Rules("", "", False, ((NO_ONE, "UPDATE tag_hours SET people = 99 WHERE tag = 'tag{star_post}'"),)),
    "tag_heat": Rules("", "", False, ((NO_ONE, "UPDATE tag_heat SET observed = 99 WHERE tag = 'tag{star_post}'"),)),
    "trends": Rules("", "", False, ((NO_ONE, "UPDATE trends SET people = 99 WHERE place = 'place{star}'"),)),
    "post_people": Rules("", "", False, ((NO_ONE, "DELETE FROM post_people WHERE post_id = {star_post}"),)),
    "post_heat": Rules("", "", False, ((NO_ONE, "UPDATE post_heat SET heat = 99 WHERE post_id = {star_post}"),)),
}  # fmt: skip

ANSWERED: dict[str, tuple[tuple[str, str], ...]] = {
    # What everybody may see.
    "trends_in": ((_EVERYBODY, "SELECT people FROM trends_in('place{star}')"),),
    "trending_post_ids": (
        (_EVERYBODY, "SELECT true FROM trending_post_ids(1000) id WHERE id = {star_post}"),
        (_EVERYBODY, "SELECT true FROM trending_post_ids(1000, true) id WHERE id = {star_post}"),
        (NO_ONE, "SELECT true FROM trending_post_ids(1000) id WHERE id = {post}"),
    ),
    "tagged_post_ids": ((_SIGNED_IN, f"SELECT true FROM tagged_post_ids('tag{{star_post}}', {_LAST}, 9)"),),
    "top_tagged_post_ids": ((_SIGNED_IN, "SELECT true FROM top_tagged_post_ids('tag{star_post}', 9)"),),
    "count_tagged_posts": ((_SIGNED_IN, "SELECT count_tagged_posts('tag{star_post}') = 1"),),
    # The owner mutes one follower, has dismissed one, and has blocked one user.
    "suggested_people": (
        ("owner", "SELECT true FROM suggested_people(50) WHERE user_id = {cohost}"),
        (NO_ONE, "SELECT true FROM suggested_people(50) WHERE user_id IN ({other}, {muted}, {banned}, {blocked})"),
        (NO_ONE, _OF_OWNER),
    ),
    # All accounts are new.
    "suggestible_ids": (
        ("owner cohost other muted banned", "SELECT true FROM suggestible_ids(ARRAY [{owner}])"),
        (NO_ONE, "SELECT true FROM suggestible_ids(ARRAY [{open}])"),
    ),
    # All are adults. `test_labels_of_watched` tests minors.
    "minors_among": ((NO_ONE, "SELECT minors_among(ARRAY [{owner}]) <> '{{}}'"),),
}  # fmt: skip
TO_WORKERS = {"note_tags", "note_engagement", "refresh_trends", "forget_heat", "untagged_posts", "enter_tags"}
INTERNAL = TO_WORKERS | {
    "is_established", "is_minor", "heated", "heat_at", "count_use", "forget_uses", "blurred", "users_of_tag",
    "trend_places", "hours_of_tag",
}  # fmt: skip
