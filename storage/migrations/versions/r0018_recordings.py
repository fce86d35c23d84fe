"""Recordings of live rooms: one row for each, from the claim before LiveKit is asked to its file or its failure."""

from storage.migrations.sql_file import run_sql_beside

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    run_sql_beside(__file__)
