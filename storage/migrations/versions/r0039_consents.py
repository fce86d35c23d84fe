"""Consents, and birth dates that may be corrected once."""

from storage.migrations.sql_file import run_sql_beside

revision = "0039"
down_revision = "0038"


def upgrade() -> None:
    run_sql_beside(__file__)
