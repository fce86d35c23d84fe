"""Appeals against decisions, and notifications of both."""

from storage.migrations.sql_file import run_sql_beside

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    run_sql_beside(__file__)
