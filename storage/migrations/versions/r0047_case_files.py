"""Files of which cases hold copies, and whose copies evidence has."""

from storage.migrations.sql_file import run_sql_beside

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    run_sql_beside(__file__)
