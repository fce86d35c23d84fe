"""Settings of accounts: who may send messages, comment and mention; language and time zone."""

from storage.migrations.sql_file import run_sql_beside

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    run_sql_beside(__file__)
