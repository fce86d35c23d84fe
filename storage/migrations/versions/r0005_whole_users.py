"""Functions return users whole, so that callers choose their columns: drops those whose results change."""

from storage.migrations.sql_file import run_sql_beside

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    run_sql_beside(__file__)
