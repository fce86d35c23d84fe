"""Explore: hashtags, trends, and people whom the viewer may know."""

from storage.migrations.sql_file import run_sql_beside

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    run_sql_beside(__file__)
