"""Writes of the application's role to comments and reactions, in the form of `rules`."""

from tests.storage.policies.rules import NO_ONE, Rules
from tests.storage.policies.world import ANYONE

_COMMENT = "INSERT INTO comments (id, post_id, parent_id, author_id, text) VALUES"
_MENTIONING = "INSERT INTO comments (id, post_id, author_id, text, mention_ids) VALUES"
_REACTION = "INSERT INTO reactions (target_type, target_id, user_id, kind, id) VALUES"
_AGAIN = " ON CONFLICT (target_type, target_id, user_id) DO UPDATE SET kind = excluded.kind"
_FOLLOWERS = "owner cohost other muted banned"  # the owner and the followers

ENGAGEMENT = {
    "comments": Rules(
        "id post_id parent_id author_id text mention_ids", "text mention_ids edited_at", False,
        (
            (_FOLLOWERS, _COMMENT + " ({new}, {post}, NULL, {me}, 'x')"),
            (_FOLLOWERS, _COMMENT + " ({new}, {post}, {comment}, {me}, 'x')"),
            (NO_ONE, _COMMENT + " ({new}, {post}, NULL, {speaker}, 'x')"),
            (NO_ONE, _COMMENT + " ({new}, {open_post}, NULL, {me}, 'x')"),  # only its followers may
            (NO_ONE, _COMMENT + " ({new}, {deleted_post}, NULL, {me}, 'x')"),
            (_FOLLOWERS, _MENTIONING + " ({new}, {post}, {me}, 'x', ARRAY [{speaker}])"),
            (NO_ONE, _MENTIONING + " ({new}, {post}, {me}, 'x', ARRAY [{blocked}, {shy}])"),
            ("other", "UPDATE comments SET text = 'y', edited_at = now() WHERE id = {comment}"),
            ("stranger", "UPDATE comments SET mention_ids = ARRAY [{open}] WHERE id = {own_comment}"),
            (NO_ONE, "UPDATE comments SET mention_ids = ARRAY [{shy}] WHERE id = {own_comment}"),
            (NO_ONE, "UPDATE comments SET text = 'y' WHERE id = {deleted_comment}"),
            (NO_ONE, "UPDATE comments SET text = 'y' WHERE id = {lost_comment}"),
            (NO_ONE, "UPDATE comments SET status = 'deleted', deleted_at = now() WHERE id = {comment}"),
            (NO_ONE, "UPDATE comments SET author_id = {me} WHERE id = {comment}"),
            (NO_ONE, "UPDATE comments SET path = ARRAY [1, id], depth = 1 WHERE id = {comment}"),
            (NO_ONE, "UPDATE comments SET reply_count = 9 WHERE id = {comment}"),
            # Without a condition, which would let the policy for reading choose the rows. Muted and banned have written
            # only what is deleted or below a deleted post.
            ("cohost other stranger owner", "UPDATE comments SET edited_at = now()"),
        ),
    ),
    "reactions": Rules(
        "target_type target_id user_id kind id", "kind id", True,
        (
            (_FOLLOWERS, _REACTION + " ('post', {post}, {me}, 'love', {new})" + _AGAIN),
            (_FOLLOWERS, _REACTION + " ('comment', {comment}, {me}, 'love', {new})"),
            (ANYONE, _REACTION + " ('comment', {own_comment}, {me}, 'love', {new})"),
            (NO_ONE, _REACTION + " ('post', {deleted_post}, {me}, 'love', {new})" + _AGAIN),
            (NO_ONE, _REACTION + " ('comment', {deleted_comment}, {me}, 'love', {new})"),
            (NO_ONE, _REACTION + " ('comment', {lost_comment}, {me}, 'love', {new})"),
            (NO_ONE, _REACTION + " ('post', {post}, {speaker}, 'love', {new})"),
            ("other", "UPDATE reactions SET kind = 'sad' WHERE target_id = {post}"),
            (NO_ONE, "UPDATE reactions SET kind = 'sad' WHERE target_id = {deleted_post}"),
            (NO_ONE, "UPDATE reactions SET user_id = {me} WHERE target_id = {post}"),
            ("other", "DELETE FROM reactions WHERE target_id = {post}"),
            ("other", "DELETE FROM reactions WHERE target_id = {deleted_post}"),
        ),
    ),
}  # fmt: skip
