"""Causes are read by their notification alone: nothing uses the index by actor."""

revision = "0056"
down_revision = "0055"
oldest_code = "0024"  # no code has needed the index


def upgrade() -> None:
    """The index is dropped in r0056_causes_by_group.later.sql."""
