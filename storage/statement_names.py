"""Names of statements in traces: the verb and the first table or function. A statement's text may hold values."""

import re
from functools import lru_cache

_BEGINNINGS = ("BEGIN", "COMMIT", "ROLLBACK")  # the first also sets the user
_NAME = re.compile(
    r"\b(?:INSERT\s+INTO|UPDATE(?!\s+SET)|DELETE\s+FROM|FROM|JOIN)\s+(?:ONLY\s+)?(?!unnest\b|LATERAL\b)([a-z_]+)\b"
    r"|\bSELECT\s+(?!array_agg\b)([a-z_]+)\s*\(",
    re.IGNORECASE,
)
_VERB = re.compile(r"\b(INSERT|UPDATE|DELETE|SELECT)\b", re.IGNORECASE)


def statement_name(statement: str) -> str:
    """As `SELECT posts`. A statement of several commands or CTEs has the name of its first."""
    for beginning in _BEGINNINGS:
        if statement.startswith(beginning):
            return beginning
    return _name(statement)


@lru_cache(1_000)
def _name(statement: str) -> str:
    verb, name = _VERB.search(statement), _NAME.search(statement)
    return " ".join([verb[1].upper() if verb else "SQL", *(each for each in (name.groups() if name else ()) if each)])
