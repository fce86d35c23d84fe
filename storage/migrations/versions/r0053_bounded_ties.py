"""A bound for the users whom a user follows, blocks and mutes, which other calls read as a whole."""

from pathlib import Path
from typing import Any

from alembic import op
from sqlalchemy.util import await_only

revision = "0053"
down_revision = "0052"
oldest_code = "0024"  # it drops a function that earlier code calls


def upgrade() -> None:
    # By the driver's connection: a prepared statement cannot hold several commands.
    driver: Any = op.get_bind().connection.driver_connection
    await_only(driver.execute(Path(__file__).with_suffix(".sql").read_text()))
