"""Events carry the trace of what caused them."""

from storage.migrations.sql_file import run_sql_beside

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    run_sql_beside(__file__)
