"""The form of the rules: for each table of the database, the allowed writes and their viewers."""

from typing import NamedTuple

NO_ONE = ""


class Rules(NamedTuple):
    """Columns that may be inserted and updated, whether rows may be deleted, and pairs (allowed viewers, statement).

    A statement is tested as every viewer (see `world`), and as the owner of the tables, for whom it must succeed.
    """

    inserts: str
    updates: str
    deletes: bool
    writes: tuple[tuple[str, str], ...]
