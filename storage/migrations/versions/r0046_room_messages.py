"""Moderators judge messages in live rooms."""

from storage.migrations.sql_file import run_sql_beside

revision = "0046"
down_revision = "0045"


def upgrade() -> None:
    run_sql_beside(__file__)
