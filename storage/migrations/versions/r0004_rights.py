"""Triggers that decide under a lock: bounds on counts, follows of private accounts, invitations, suspension."""

from storage.migrations.sql_file import run_sql_beside

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    run_sql_beside(__file__)
