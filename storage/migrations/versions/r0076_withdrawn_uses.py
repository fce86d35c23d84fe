"""Uses of hashtags that were taken back are known for a day."""

from storage.migrations.sql_file import run_sql_beside

revision = "0076"
down_revision = "0066"


def upgrade() -> None:
    run_sql_beside(__file__)
