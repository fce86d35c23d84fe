"""Notifications: what users are told, once for each cause, and its deliveries to their devices."""

from storage.migrations.sql_file import run_sql_beside

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    run_sql_beside(__file__)
