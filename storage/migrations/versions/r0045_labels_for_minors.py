"""Labels that keep posts, comments and files from users below 18, also by their ids."""

from storage.migrations.sql_file import run_sql_beside

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    run_sql_beside(__file__)
