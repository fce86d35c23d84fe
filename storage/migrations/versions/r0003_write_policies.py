"""Row policies for writes, which state the whole rule for who may insert, update or delete a row."""

from storage.migrations.sql_file import run_sql_beside

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    run_sql_beside(__file__)
