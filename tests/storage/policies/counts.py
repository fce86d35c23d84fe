"""Writes of the application's role to what is counted, and to counts, in the form of `rules`."""

from tests.storage.policies.rules import NO_ONE, Rules
from tests.storage.policies.world import ANYONE

_SAVE = "INSERT INTO saves (id, user_id, post_id, collection_id) VALUES"
_VIEW = "INSERT INTO views (post_id, user_id) VALUES"
_FOLLOWERS = "cohost other muted banned"

COUNTS = {
    "collections": Rules(
        "id owner_id name", "name", True,
        (
            (ANYONE, "INSERT INTO collections (id, owner_id, name) VALUES ({new}, {me}, 'x')"),
            (NO_ONE, "INSERT INTO collections (id, owner_id, name) VALUES ({new}, {speaker}, 'x')"),
            ("owner", "UPDATE collections SET name = 'y' WHERE id = {collection}"),
            (NO_ONE, "UPDATE collections SET owner_id = {me} WHERE id = {collection}"),
            ("owner", "DELETE FROM collections WHERE id = {collection}"),
            # Without a condition, which would let the policy for reading choose the rows.
            ("owner other", "DELETE FROM collections"),
        ),
    ),
    "saves": Rules(
        "id user_id post_id collection_id", "collection_id", True,
        (
            (ANYONE, _SAVE + " ({new}, {me}, {open_post}, NULL)"),
            ("owner " + _FOLLOWERS, _SAVE + " ({new}, {me}, {post}, NULL)"),
            (NO_ONE, _SAVE + " ({new}, {speaker}, {open_post}, NULL)"),
            (NO_ONE, _SAVE + " ({new}, {me}, {deleted_post}, NULL)"),
            ("owner", _SAVE + " ({new}, {me}, {open_post}, {collection})"),
            ("other", "UPDATE saves SET collection_id = {collection_of_other} WHERE post_id = {lost_post}"),
            (NO_ONE, "UPDATE saves SET collection_id = {collection} WHERE post_id = {lost_post}"),
            (NO_ONE, "UPDATE saves SET post_id = {open_post} WHERE post_id = {lost_post}"),
            ("other", "DELETE FROM saves WHERE post_id = {lost_post}"),
        ),
    ),
    "views": Rules(
        "post_id user_id", "", False,
        (
            (ANYONE, _VIEW + " ({open_post}, {me})"),
            (_FOLLOWERS, _VIEW + " ({post}, {me})"),  # not the author
            (NO_ONE, _VIEW + " ({deleted_post}, {me})"),
            (NO_ONE, _VIEW + " ({open_post}, {speaker})"),
            (NO_ONE, "INSERT INTO views (post_id, user_id, day) VALUES ({open_post}, {me}, '2020-01-01')"),
            (NO_ONE, "DELETE FROM views WHERE post_id = {viewed_post}"),
        ),
    ),
    "view_sketches": Rules(
        "", "", False,
        ((NO_ONE, "UPDATE view_sketches SET counted = 1000000 WHERE post_id = {viewed_post}"),),
    ),
    "count_changes": Rules(
        "", "", False,
        (
            (NO_ONE, "INSERT INTO count_changes (target_type, target_id, field, delta)"
                     " VALUES ('post', {post}, 'like', 1000000)"),
        ),
    ),
    "counts_unpushed": Rules("", "", False, ((NO_ONE, "INSERT INTO counts_unpushed VALUES ('post', {new})"),)),
}  # fmt: skip
