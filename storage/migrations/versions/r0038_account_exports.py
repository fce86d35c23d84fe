"""Exports of accounts: archives of everything about a user."""

from storage.migrations.sql_file import run_sql_beside

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    run_sql_beside(__file__)
