"""Runs the SQL of a revision."""

from pathlib import Path
from typing import Any

from alembic import op
from sqlalchemy.util import await_only


def run_sql_beside(module: str) -> None:
    """Run the file of the same name beside the revision's module. module: its `__file__`."""
    # By the driver's connection: a prepared statement cannot hold several commands.
    driver: Any = op.get_bind().connection.driver_connection
    await_only(driver.execute(Path(module).with_suffix(".sql").read_text()))
