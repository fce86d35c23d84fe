"""What users did before they reset their feeds is not learnt from again."""

from storage.migrations.sql_file import run_sql_beside

revision = "0077"
down_revision = "0076"


def upgrade() -> None:
    run_sql_beside(__file__)
