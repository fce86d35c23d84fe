"""Marks by which a user's chats are found in the order of their messages, and those that changed."""

from storage.migrations.sql_file import run_sql_beside

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    run_sql_beside(__file__)
