"""Reports by users, and cases for moderators: one open case for each target, however many report it."""

from storage.migrations.sql_file import run_sql_beside

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    run_sql_beside(__file__)
