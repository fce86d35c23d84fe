"""The form of the registry of personal data: how a table is exported and erased.

In conditions, `person` is the id of the user. An id of an erased user names nobody: the user's row has no name left. So
rows of others keep such ids, and lose only the personal data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Deleted:
    """The rows are deleted. where: which rows, if others than those that are exported."""

    where: str = ""


@dataclass(frozen=True)
class Blanked:
    """The rows stay, because they belong to acts of others, and lose the personal data.

    sets: the assignments. unless: the condition of rows that are blank. event: topic and JSON (SQL) of an event about
    each row. walks: no index finds the rows, so the table is walked by its key, a window at a time.
    """

    sets: str
    unless: str
    where: str = ""
    event: tuple[str, str] | None = None
    walks: bool = False


@dataclass(frozen=True)
class Called:
    """A function of the database does it: it takes the person and an amount, and returns the number of rows done."""

    function: str


@dataclass(frozen=True)
class Kept:
    """The rows stay as they are."""

    why: str


Erasure = Deleted | Blanked | Called | Kept


@dataclass(frozen=True)
class Personal:
    """A table about people.

    key: columns of its primary key. mine: the condition of rows that are exported; None if none are. exported: their
    columns in the export. withheld: all other columns. why: the reason for what is withheld. erased: how, in order.
    instead: by exported column, the SQL of another value than that of the row `t`.
    """

    table: str
    key: str
    mine: str | None
    exported: str
    withheld: str
    why: str
    erased: tuple[Erasure, ...]
    instead: Mapping[str, str] = field(default_factory=dict)
