"""An index that finds what hidden users caused in a page of notifications, however much they caused elsewhere."""

revision = "0056"
down_revision = "0055"
oldest_code = "0024"  # the new index serves all code that the old one served


def upgrade() -> None:
    """The index is in r0056_hidden_actors.later.sql."""
