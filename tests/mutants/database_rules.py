"""Mutants of row policies and functions, made from their definitions in a migrated database."""

from collections.abc import Iterator

import asyncpg

from tests.mutants.mutant import Mutant
from tests.mutants.script_text import SQL, mutant_of, mutants

_POLICIES = """
SELECT format('%s on %s', policyname, tablename) AS place, qual, with_check,
       format('ALTER POLICY %I ON %I', policyname, tablename) AS beginning
FROM pg_policies WHERE schemaname = 'public' AND 'daira_app' = ANY (roles) ORDER BY 1"""
_FUNCTIONS = """
SELECT proname AS place, pg_get_functiondef(pg_proc.oid) AS definition
FROM pg_proc JOIN pg_language ON pg_language.oid = prolang
WHERE pronamespace = 'public'::regnamespace AND lanname IN ('sql', 'plpgsql') ORDER BY 1"""


async def policies(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Mutant]:
    return [mutant for row in await connection.fetch(_POLICIES) for mutant in _of_policy(row)]


async def functions(connection: "asyncpg.Connection[asyncpg.Record]") -> list[Mutant]:
    rows = await connection.fetch(_FUNCTIONS)
    return [each for row in rows for each in mutants("database/functions", row["place"], row["definition"], SQL)]


def _of_policy(row: asyncpg.Record) -> Iterator[Mutant]:
    text = row["beginning"]
    whole = []  # start and end of each condition
    for word, condition in (("USING", row["qual"]), ("WITH CHECK", row["with_check"])):
        if condition is not None:
            text += f"\n{word} ("
            whole.append((len(text), len(text) + len(condition)))
            text += f"{condition})"
    yield from mutants("database/policies", row["place"], text, SQL)
    for start, end in whole:
        if text[start:end] != "true":
            yield mutant_of("database/policies", row["place"], text, start, end, "true")
