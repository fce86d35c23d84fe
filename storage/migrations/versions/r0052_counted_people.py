"""Whether a reaction or a comment counts: those of users who are suspended, banned or deleted do not."""

from pathlib import Path
from typing import Any

from alembic import op
from sqlalchemy.util import await_only

revision = "0052"
down_revision = "0051"


def upgrade() -> None:
    # By the driver's connection: a prepared statement cannot hold several commands.
    driver: Any = op.get_bind().connection.driver_connection
    await_only(driver.execute(Path(__file__).with_suffix(".sql").read_text()))
