"""Decisions of moderation, and the statements of reasons that tell users of them."""

from storage.migrations.sql_file import run_sql_beside

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    run_sql_beside(__file__)
