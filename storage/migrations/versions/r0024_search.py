"""Search: documents found by terms, words that people often write, and recent searches."""

from storage.migrations.sql_file import run_sql_beside

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    run_sql_beside(__file__)
