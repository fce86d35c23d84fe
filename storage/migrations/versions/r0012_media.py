"""Media: one row for each file, with what it is, where its objects are, and how far it is."""

from storage.migrations.sql_file import run_sql_beside

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    run_sql_beside(__file__)
