"""The rulebook: versions of rules and of term lists, which admins write and all nodes follow."""

import datetime
from collections.abc import Sequence
from typing import TypedDict, cast

from protocol import errors
from protocol.moderation import Reason
from protocol.rules import RuleOutcome, RuleSurface, TermMatch
from storage.database import Database, Transaction


class RuleRow(TypedDict):
    id: int
    version: int
    name: str
    surfaces: list[RuleSurface]
    expression: str
    outcome: RuleOutcome
    reason: Reason
    message: str
    saved_by: int
    saved_at: datetime.datetime
    is_enabled: bool
    enabled_by: int | None
    enabled_at: datetime.datetime | None


class ListedRule(RuleRow):
    """hits: of the last 24 hours, of all its versions."""

    enabled_version: int | None
    hits: int


class TermListRow(TypedDict):
    id: int
    name: str
    match: TermMatch
    version: int
    amount: int
    saved_by: int
    saved_at: datetime.datetime


class BookRows(TypedDict):
    """terms: (name of the list, how it matches, its terms)."""

    version: int
    rules: list[RuleRow]
    lists: list[tuple[str, TermMatch, list[str]]]


async def version(database: Database) -> int:
    """The number of the last change. Raises DatabaseUnavailable."""
    rows = await database.fetch("SELECT version FROM rulebook")
    return int(rows[0]["version"])


async def load_book(database: Database) -> BookRows:
    """Load the rules and lists in force. Raises DatabaseUnavailable."""

    # On the primary: a replica may not have the change yet.
    async with database.transaction(None, reads=True) as tx:
        return {
            # First: a change during the reads makes the book look older than it is, and it is loaded again.
            "version": await tx.fetchval("SELECT version FROM rulebook"),
            "rules": cast("list[RuleRow]", await tx.fetch("SELECT * FROM rules WHERE is_enabled ORDER BY id")),
            "lists": [
                (row["name"], row["match"], row["terms"])
                for row in await tx.fetch(
                    """SELECT l.name, l.match, array_agg(t.term) AS terms
                    FROM term_lists l JOIN terms t ON t.list_id = l.id AND t.until IS NULL
                    GROUP BY l.id ORDER BY l.name"""
                )
            ],
        }


async def load_page(tx: Transaction, below: int, limit: int) -> list[ListedRule]:
    """The newest version of each rule with an id below, the newest rule first."""
    rows = await tx.fetch(
        """SELECT r.*, (SELECT e.version FROM rules e WHERE e.id = r.id AND e.is_enabled) AS enabled_version,
                  (SELECT count(*) FROM rule_hits h
                   WHERE h.rule_id = r.id AND h.id >= snowflake_at(now() - interval '24 hours')) AS hits
        FROM (SELECT DISTINCT ON (id) * FROM rules WHERE id < $1 ORDER BY id DESC, version DESC LIMIT $2) r
        ORDER BY r.id DESC""",
        below,
        limit,
    )
    return cast("list[ListedRule]", rows)


async def load_versions(tx: Transaction, rule_id: int, below: int, limit: int) -> list[RuleRow]:
    """The versions of a rule below a number, newest first."""
    rows = await tx.fetch(
        "SELECT * FROM rules WHERE id = $1 AND version < $2 ORDER BY version DESC LIMIT $3", rule_id, below, limit
    )
    return cast("list[RuleRow]", rows)


async def load(tx: Transaction, rule_id: int, version: int | None = None) -> RuleRow | None:
    """A version of a rule; None: the newest."""
    row = await tx.fetchrow(
        """SELECT * FROM rules WHERE id = $1 AND ($2::integer IS NULL OR version = $2)
        ORDER BY version DESC LIMIT 1""",
        rule_id,
        version,
    )
    return cast("RuleRow | None", row)


async def enabled_expressions(tx: Transaction, without: int) -> list[str]:
    """The expressions in force, without those of one rule."""
    rows = await tx.fetch("SELECT expression FROM rules WHERE is_enabled AND id <> $1", without)
    return [row["expression"] for row in rows]


async def save(
    tx: Transaction,
    *,
    id: int,
    expected: int,
    name: str,
    surfaces: Sequence[str],
    expression: str,
    outcome: str,
    reason: str,
    message: str,
) -> int:
    """Add a version. Returns it; raises ABORTED if `expected` is not the newest one."""
    saved = await tx.fetchval(
        "SELECT save_rule($1, $2, $3, $4, $5, $6, $7, $8)", id, expected, name, surfaces, expression, outcome,
        reason, message,
    )  # fmt: skip
    if saved is None:
        raise errors.stale_version()
    return int(saved)


async def enable(tx: Transaction, rule_id: int, version: int) -> bool:
    """Put the version in force, 0 for none. Returns whether that is a change."""
    return bool(await tx.fetchval("SELECT enable_rule($1, $2)", rule_id, version))


async def load_lists(tx: Transaction) -> list[TermListRow]:
    rows = await tx.fetch(
        """SELECT l.*, (SELECT count(*) FROM terms t WHERE t.list_id = l.id AND t.until IS NULL) AS amount
        FROM term_lists l ORDER BY l.name"""
    )
    return cast("list[TermListRow]", rows)


async def load_terms(tx: Transaction, list_id: int, after: str, limit: int) -> list[str]:
    """The terms in a list after one, in the order of the alphabet."""
    rows = await tx.fetch(
        """SELECT term FROM terms WHERE list_id = $1 AND until IS NULL AND term > $2 COLLATE "C"
        ORDER BY term COLLATE "C" LIMIT $3""",
        list_id,
        after,
        limit,
    )
    return [row["term"] for row in rows]


async def which_terms(tx: Transaction, list_id: int, terms: Sequence[str]) -> set[str]:
    """Those terms that are in the list."""
    rows = await tx.fetch(
        "SELECT term FROM terms WHERE list_id = $1 AND until IS NULL AND term = ANY ($2)", list_id, terms
    )
    return {row["term"] for row in rows}


async def save_terms(
    tx: Transaction,
    *,
    id: int,
    expected: int,
    name: str,
    match: str,
    added: Sequence[str],
    removed: Sequence[str],
) -> int:
    """Make or change a list. Returns its version; raises ABORTED if `expected` is not the present one."""
    saved = await tx.fetchval(
        "SELECT save_terms($1, $2, $3, $4, $5, $6)", id, expected, name, match, added, removed
    )  # fmt: skip
    if saved is None:
        raise errors.stale_version()
    return int(saved)
