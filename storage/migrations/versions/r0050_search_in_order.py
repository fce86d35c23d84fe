"""Documents of posts stay in the order of their places."""

from pathlib import Path
from typing import Any

from alembic import op
from sqlalchemy.util import await_only

revision = "0050"
down_revision = "0049"


def upgrade() -> None:
    # By the driver's connection: a prepared statement cannot hold several commands.
    driver: Any = op.get_bind().connection.driver_connection
    await_only(driver.execute(Path(__file__).with_suffix(".sql").read_text()))
