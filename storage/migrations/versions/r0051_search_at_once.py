"""The search index takes each document at once."""

from storage.migrations.sql_file import run_sql_beside

revision = "0051"
down_revision = "0050"


def upgrade() -> None:
    run_sql_beside(__file__)
