"""Candidates from beyond the inbox: vectors of users and posts, posts to explore, and a log of what feeds showed."""

from storage.migrations.sql_file import run_sql_beside

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    run_sql_beside(__file__)
