"""Writes storage/functions/personal_data.sql from the registry of personal data.

SQL that is written ahead, instead of at run time, needs no rights for workers: the functions run as their owner, and
only for a person whose erasure is due, or whose export runs.
"""

from collections.abc import Iterator
from pathlib import Path

from storage.personal_data import PERSONAL
from storage.personal_records import Blanked, Called, Deleted, Personal

FILE = Path(__file__).parent / "functions" / "personal_data.sql"
WINDOW = 10  # rows that a walk looks at, for each that it may change

_HEAD = """\
-- Written by `make erasure` from storage/personal_data.py: change that instead.

-- Erase up to `amount` rows of a person, in the step of that name. `following` is where to go on, null once the step is
-- done. It does nothing until the erasure of the person is due, nor after it.
CREATE OR REPLACE FUNCTION erase_step(person bigint, step text, amount integer, since bigint,
                                      OUT erased integer, OUT following bigint)
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    erased := 0;
    -- A user who cancels locks the same row.
    PERFORM FROM account_deletions d
    WHERE d.user_id = person AND d.erased_at IS NULL AND d.erase_at <= now() FOR UPDATE;
    IF NOT FOUND THEN RETURN; END IF;
    CASE step
"""
_FOOT = """\
    END CASE;
    IF following IS NULL AND erased >= amount THEN following := 0; END IF;
    UPDATE account_deletions SET at_step = step, since = following, claimed_until = now() + interval '5 minutes'
    WHERE user_id = person;
END $$;
GRANT EXECUTE ON FUNCTION erase_step TO daira_worker;
"""
_EXPORT_HEAD = """
-- The rows of a table that are exported to the person, while the export of that person runs.
CREATE OR REPLACE FUNCTION export_rows(person bigint, from_table text) RETURNS SETOF jsonb
    LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF NOT export_runs(person) THEN RETURN; END IF;
    CASE from_table
"""
_EXPORT_FOOT = """\
    END CASE;
END $$;
GRANT EXECUTE ON FUNCTION export_rows TO daira_worker;
"""


def steps() -> list[str]:
    """Names of the steps of an erasure, in order."""
    return [name for name, _ in _steps()]


def erasure() -> str:
    return _HEAD + "".join(f"    WHEN '{name}' THEN\n{statement}" for name, statement in _steps()) + _FOOT


def export() -> str:
    return _EXPORT_HEAD + "".join(map(_exported, PERSONAL)) + _EXPORT_FOOT


def text() -> str:
    return erasure() + export()


def _steps() -> Iterator[tuple[str, str]]:
    for table in PERSONAL:
        for number, way in enumerate(table.erased):
            name = table.table if number == 0 else f"{table.table}.{number}"
            match way:
                case Deleted():
                    found = _found(table, way.where or _mine(table))
                    yield name, f"        DELETE FROM {table.table} WHERE ({table.key}) IN (\n{found};\n{_COUNT}"
                case Called():
                    yield name, f"        erased := {way.function}(person, amount);\n"
                case Blanked(walks=True):
                    yield name, _walked(table, way)
                case Blanked():
                    yield name, _blanked(table, way)


_COUNT = "        GET DIAGNOSTICS erased = ROW_COUNT;\n"


def _mine(table: Personal) -> str:
    if table.mine is None:
        raise ValueError(f"{table.table}: say which rows are erased, since none are exported")
    return table.mine


def _found(table: Personal, where: str) -> str:
    return f"            SELECT {table.key} FROM {table.table} WHERE {where} LIMIT amount)"


def _blanked(table: Personal, way: Blanked) -> str:
    found = _found(table, f"{way.where or _mine(table)}\n                AND NOT ({way.unless})")
    update = f"UPDATE {table.table} SET {way.sets}\n        WHERE ({table.key}) IN (\n{found}"
    if way.event is None:
        return f"        {update};\n{_COUNT}"
    topic, fields = way.event
    return f"""        WITH blanked AS ({update} RETURNING {table.table}.*)
        INSERT INTO outbox (id, topic, key, payload)
        SELECT mint_id(), '{topic}', person::text, convert_to(jsonb_build_object('v', 1, {fields})::text, 'UTF8')
        FROM blanked;
{_COUNT}"""


def _walked(table: Personal, way: Blanked) -> str:
    """Nothing of the person is older than the person."""
    return f"""        WITH passed AS (
            SELECT {table.key} FROM {table.table}
            WHERE {table.key} > greatest(erase_step.since, person) ORDER BY {table.key} LIMIT amount * {WINDOW}),
        blanked AS (
            UPDATE {table.table} SET {way.sets}
            WHERE {table.key} IN (SELECT {table.key} FROM passed) AND {way.where or _mine(table)}
                AND NOT ({way.unless}) RETURNING 1)
        SELECT (SELECT max({table.key}) FROM passed), (SELECT count(*) FROM blanked) INTO following, erased;
"""


def _exported(table: Personal) -> str:
    if table.mine is None:
        return ""
    values = ((column, table.instead.get(column, f"t.{column}")) for column in table.exported.split())
    columns = ", ".join(f"'{column}', {value}" for column, value in values)
    return f"""    WHEN '{table.table}' THEN
        RETURN QUERY SELECT jsonb_build_object({columns})
            FROM {table.table} t WHERE ({table.key}) IN (SELECT {table.key} FROM {table.table} WHERE {table.mine});
"""


if __name__ == "__main__":
    FILE.write_text(text())
