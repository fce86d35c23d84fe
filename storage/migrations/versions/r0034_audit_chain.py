"""The audit trail cannot be changed, and a chain of hashes shows it if it was."""

from storage.migrations.sql_file import run_sql_beside

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    run_sql_beside(__file__)
