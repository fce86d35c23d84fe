"""The form of the table: for each table of the database, what may be written and by whom."""

from typing import NamedTuple

NO_ONE = ""


class Rules(NamedTuple):
    """Columns that may be inserted and updated, whether rows may be deleted, and (allowed to, statement).

    A statement is tried as every viewer (see `world`), and as the owner of the tables, to whom it must be possible.
    """

    inserts: str
    updates: str
    deletes: bool
    writes: tuple[tuple[str, str], ...]
