"""Accounts that are to be deleted: hidden at once, erased after a grace period."""

from storage.migrations.sql_file import run_sql_beside

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    run_sql_beside(__file__)
