"""A mail about an account that is to be erased."""

from storage.migrations.sql_file import run_sql_beside

revision = "0043"
down_revision = "0042"


def upgrade() -> None:
    run_sql_beside(__file__)
