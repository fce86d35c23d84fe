"""Visibility: who may see a post, and whose feed shows it. Row policies check the same again in PostgreSQL."""

from typing import Literal

from storage.posts import PostRow

Reason = Literal["follow", "mention"]


def may_see(row: PostRow, viewer_id: int) -> bool:
    """Whether the viewer may see the post.

    Only the row policy checks whether the viewer is in a post's circle, because members of a circle are a secret.
    """
    if row["author_id"] == viewer_id:
        return True
    if row["blocks"] or row["blocked_by"] or row["visibility"] == "private":
        return False
    if row["visibility"] == "circle":
        return True
    if row["visibility"] == "followers" or row["author_is_private"]:
        return bool(row["follows"])
    return True


def is_listed(row: PostRow, viewer_id: int) -> bool:
    """Whether a list may show the post that the viewer did not ask for. `visible_post_ids` is the same rule in SQL.

    Shadowed, held and removed posts have the visibility `private`.
    """
    is_empty = row["shared_post_id"] is not None and row["shared"] is None and not row["text"]
    hides = row["mutes_posts"] or row["mutes_shared"] or is_empty or hides_label(row, viewer_id)
    return may_see(row, viewer_id) and not hides


def may_find(row: PostRow, viewer_id: int) -> bool:
    """Whether hashtag pages, explore and search may show the post to the viewer: a limited one only to its author."""
    return is_listed(row, viewer_id) and (row["standing"] == "visible" or row["author_id"] == viewer_id)


def hides_label(row: PostRow, viewer_id: int) -> bool:
    """Whether the viewer's settings hide the post from lists by one of its labels. Authors see their own posts."""
    return row["is_label_hidden"] and row["author_id"] != viewer_id


def feed_reason(row: PostRow, viewer_id: int) -> Reason | None:
    """Why the viewer's feed shows the post; None if it must not, or if it is a share that shows nothing."""
    if not is_listed(row, viewer_id) or row["author_id"] == viewer_id:
        return None
    if row["follows"]:
        return "follow"
    return "mention" if viewer_id in row["mention_ids"] and row["standing"] == "visible" else None


def may_recommend(row: PostRow, viewer_id: int) -> bool:
    """Whether a ranked feed may show the post to a viewer who does not follow its author."""
    return (
        may_see(row, viewer_id)
        and not row["mutes_posts"]
        and not hides_label(row, viewer_id)
        and row["standing"] == "visible"
        and row["author_id"] != viewer_id
        and (row["visibility"] == "public" and not row["author_is_private"] and row["shared_post_id"] is None)
    )
