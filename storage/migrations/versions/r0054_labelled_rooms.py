"""Nodes read the labels of a room that a user enters."""

from pathlib import Path
from typing import Any

from alembic import op
from sqlalchemy.util import await_only

revision = "0054"
down_revision = "0053"
oldest_code = "0024"  # the function is made again at once, with one more column


def upgrade() -> None:
    # By the driver's connection: a prepared statement cannot hold several commands.
    driver: Any = op.get_bind().connection.driver_connection
    await_only(driver.execute(Path(__file__).with_suffix(".sql").read_text()))
