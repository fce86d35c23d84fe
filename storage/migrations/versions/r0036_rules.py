"""Rules before publishing: versions of rules and term lists, their hits, and prints of texts."""

from storage.migrations.sql_file import run_sql_beside

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    run_sql_beside(__file__)
