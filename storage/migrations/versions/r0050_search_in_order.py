"""Documents of posts stay in the order of their places."""

from storage.migrations.sql_file import run_sql_beside

revision = "0050"
down_revision = "0049"


def upgrade() -> None:
    run_sql_beside(__file__)
