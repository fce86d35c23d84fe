"""Uploads write no event: workers take due files from their lane, and nothing read the event."""

from storage.migrations.sql_file import run_sql_beside

revision = "0055"
down_revision = "0054"
oldest_code = "0024"  # no code has read the event


def upgrade() -> None:
    run_sql_beside(__file__)
