"""What ranked feeds learn from: affinities, hidden posts, and the quality and topics of posts."""

from storage.migrations.sql_file import run_sql_beside

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    run_sql_beside(__file__)
