"""Notifications: events that were handled, withdrawn causes, and devices that a delivery has reached."""

from storage.migrations.sql_file import run_sql_beside

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    run_sql_beside(__file__)
