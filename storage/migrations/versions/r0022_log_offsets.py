"""Positions of worker groups in partitions of Kafka."""

from storage.migrations.sql_file import run_sql_beside

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    run_sql_beside(__file__)
