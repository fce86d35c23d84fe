"""Rules also judge the titles of groups."""

from storage.migrations.sql_file import run_sql_beside

revision = "0044"
down_revision = "0043"


def upgrade() -> None:
    run_sql_beside(__file__)
