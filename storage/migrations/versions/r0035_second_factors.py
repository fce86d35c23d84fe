"""The second factor of accounts."""

from storage.migrations.sql_file import run_sql_beside

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    run_sql_beside(__file__)
