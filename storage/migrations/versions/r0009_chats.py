"""Chats: members, messages with their edits and reactions, and the steps of read marks."""

from storage.migrations.sql_file import run_sql_beside

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    run_sql_beside(__file__)
