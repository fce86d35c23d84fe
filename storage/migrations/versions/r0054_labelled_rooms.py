"""Nodes read the labels of a room that a user enters."""

from storage.migrations.sql_file import run_sql_beside

revision = "0054"
down_revision = "0053"
oldest_code = "0024"  # the function is made again at once, with one more column


def upgrade() -> None:
    run_sql_beside(__file__)
