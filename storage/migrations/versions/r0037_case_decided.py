"""A trigger on cases that are decided."""

from storage.migrations.sql_file import run_sql_beside

revision = "0037"
down_revision = "0036"


def upgrade() -> None:
    run_sql_beside(__file__)
