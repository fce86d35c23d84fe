"""A bound for the users whom a user follows, blocks and mutes, which other calls read as a whole."""

from storage.migrations.sql_file import run_sql_beside

revision = "0053"
down_revision = "0052"
oldest_code = "0024"  # it drops a function that earlier code calls


def upgrade() -> None:
    run_sql_beside(__file__)
