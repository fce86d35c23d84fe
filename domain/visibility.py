"""Viewer rules: who may see a post, and whose feed wants it. Row policies are the second lock behind these."""

from typing import Literal

from storage.posts import PostRow

Reason = Literal["follow", "mention"]


def may_see(row: PostRow, viewer_id: int) -> bool:
    """row: a post with its author's privacy and the viewer's relation to the author.

    Whether the viewer is in a post's circle is its owner's secret, which the row policy alone can tell.
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


def feed_reason(row: PostRow, viewer_id: int) -> Reason | None:
    """Why the post stands in the viewer's feed; None where it must not."""
    if not may_see(row, viewer_id) or row["mutes_posts"] or row["author_id"] == viewer_id:
        return None
    if row["follows"]:
        return "follow"
    return "mention" if viewer_id in row["mention_ids"] else None
