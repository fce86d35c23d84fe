"""Reads that cost less: one query decides whether a post is visible, and a feed's candidates are chosen as a set."""

from pathlib import Path
from typing import Any

from alembic import op
from sqlalchemy.util import await_only

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    # The driver's own connection: a prepared statement could not hold many commands.
    driver: Any = op.get_bind().connection.driver_connection
    await_only(driver.execute(Path(__file__).with_suffix(".sql").read_text()))
