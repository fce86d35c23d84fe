"""An event for files that their owners describe anew."""

from storage.migrations.sql_file import run_sql_beside

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    run_sql_beside(__file__)
