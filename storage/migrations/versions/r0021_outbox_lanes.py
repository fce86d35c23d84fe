"""Lanes of the outbox: an index by which the relay finds urgent events behind a backlog of others."""

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Only statements that run later."""
