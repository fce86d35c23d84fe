"""One-time codes by e-mail, and the mails about accounts."""

from storage.migrations.sql_file import run_sql_beside

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    run_sql_beside(__file__)
