"""Candidates from beyond the inbox: what followed users did lately, found by user."""

revision = "0027"
down_revision = "0023"


def upgrade() -> None:
    """Only statements that run later."""
