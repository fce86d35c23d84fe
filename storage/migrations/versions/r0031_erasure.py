"""Erasing accounts: how far each erasure is, indexes that find the rows of a user, and reserved usernames."""

from storage.migrations.sql_file import run_sql_beside

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    run_sql_beside(__file__)
