"""The standing and labels of content, bans of accounts, and how viewers want labels shown."""

from pathlib import Path
from typing import Any

from alembic import op
from sqlalchemy.util import await_only

revision = "0032"
down_revision = "0031"
oldest_code = "0019"  # it drops a function that only functions call


def upgrade() -> None:
    # By the driver's connection: a prepared statement cannot hold several commands.
    driver: Any = op.get_bind().connection.driver_connection
    await_only(driver.execute(Path(__file__).with_suffix(".sql").read_text()))
