"""Messages of the operator to users, and a result of `recheck_cause` that names the notification."""

from storage.migrations.sql_file import run_sql_beside

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    run_sql_beside(__file__)
