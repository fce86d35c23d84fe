"""Changes of counts, and saves, collections, shares and views: their tables, triggers and row policies."""

from storage.migrations.sql_file import run_sql_beside

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    run_sql_beside(__file__)
