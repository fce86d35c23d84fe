"""Comments and reactions: their tables and row policies."""

from storage.migrations.sql_file import run_sql_beside

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    run_sql_beside(__file__)
