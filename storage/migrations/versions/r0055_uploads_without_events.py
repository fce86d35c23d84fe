"""Uploads write no event: workers take due files from their lane, and nothing read the event."""

from pathlib import Path
from typing import Any

from alembic import op
from sqlalchemy.util import await_only

revision = "0055"
down_revision = "0054"
oldest_code = "0024"  # no code has read the event


def upgrade() -> None:
    # By the driver's connection: a prepared statement cannot hold several commands.
    driver: Any = op.get_bind().connection.driver_connection
    await_only(driver.execute(Path(__file__).with_suffix(".sql").read_text()))
