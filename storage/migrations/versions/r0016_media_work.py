"""Work on media: the index by which each lane finds its next file, and the end of what was uploaded."""

from storage.migrations.sql_file import run_sql_beside

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    run_sql_beside(__file__)
