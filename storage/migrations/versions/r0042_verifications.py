"""Verification of creators: documents, which moderators review."""

from storage.migrations.sql_file import run_sql_beside

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    run_sql_beside(__file__)
