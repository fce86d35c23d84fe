"""Whether a reaction or a comment counts: those of users who are suspended, banned or deleted do not."""

from storage.migrations.sql_file import run_sql_beside

revision = "0052"
down_revision = "0051"


def upgrade() -> None:
    run_sql_beside(__file__)
