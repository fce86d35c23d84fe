"""Devices that get what their users miss: push tokens of phones, subscriptions of browsers, e-mail."""

from storage.migrations.sql_file import run_sql_beside

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    run_sql_beside(__file__)
