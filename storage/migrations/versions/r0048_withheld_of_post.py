"""An index of the comments of a post that only their authors see: pushes of counts ask for these authors."""

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    """The index is in r0048_withheld_of_post.later.sql."""
