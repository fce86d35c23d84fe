"""Media in use: results and arguments of functions of chats change, and files that are finished get an event."""

from storage.migrations.sql_file import run_sql_beside

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    run_sql_beside(__file__)
