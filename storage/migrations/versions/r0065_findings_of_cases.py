"""Cases name what has found their targets, so that an undone rule or decision leaves no case behind."""

from storage.migrations.sql_file import run_sql_beside

revision = "0065"
down_revision = "0057"
oldest_code = "0024"  # no code calls the function that is dropped: `end_decision` did


def upgrade() -> None:
    run_sql_beside(__file__)
