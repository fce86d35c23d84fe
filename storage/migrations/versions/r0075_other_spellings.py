"""Searches find other spellings of a frequent word."""

from storage.migrations.sql_file import run_sql_beside

revision = "0075"
down_revision = "0066"
oldest_code = "0024"  # the function is made again at once, with one more argument


def upgrade() -> None:
    run_sql_beside(__file__)
