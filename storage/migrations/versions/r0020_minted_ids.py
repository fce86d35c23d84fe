"""Ids that the database mints: a sequence instead of random bits, of which two were once the same."""

from storage.migrations.sql_file import run_sql_beside

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    run_sql_beside(__file__)
