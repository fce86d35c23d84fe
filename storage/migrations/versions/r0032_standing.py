"""The standing and labels of content, bans of accounts, and how viewers want labels shown."""

from storage.migrations.sql_file import run_sql_beside

revision = "0032"
down_revision = "0031"
oldest_code = "0019"  # it drops a function that only functions call


def upgrade() -> None:
    run_sql_beside(__file__)
