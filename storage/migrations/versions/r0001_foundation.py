"""Accounts, graph, posts and outbox: their tables, triggers and row policies."""

from storage.migrations.sql_file import run_sql_beside

revision = "0001"
down_revision = None


def upgrade() -> None:
    run_sql_beside(__file__)
