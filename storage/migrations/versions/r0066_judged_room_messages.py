"""Rules also judge messages in live rooms."""

from storage.migrations.sql_file import run_sql_beside

revision = "0066"
down_revision = "0065"


def upgrade() -> None:
    run_sql_beside(__file__)
