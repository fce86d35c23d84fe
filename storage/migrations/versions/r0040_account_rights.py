"""Former usernames, and keys of services."""

from storage.migrations.sql_file import run_sql_beside

revision = "0040"
down_revision = "0039"


def upgrade() -> None:
    run_sql_beside(__file__)
