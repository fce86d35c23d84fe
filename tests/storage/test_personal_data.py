"""The registry of personal data lists every table and column, and the functions of the database are made of it."""

import pytest

from storage import personal_data_sql
from storage.personal_data import NOT_PERSONAL, PERSONAL
from tests.cluster import Cluster

TABLES = """
    SELECT relname AS name, array_agg(attname::text) AS columns
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND attnum > 0 AND NOT attisdropped
    WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition GROUP BY 1
"""
TABLE_MISSING = (
    "{} is in no list. If its rows tell of a person (by an id or by text), add a `Personal` to one of"
    " storage/personal_*.py: what of it `account.export` gives to the person, and how an erasure deletes or blanks it."
    " Else add it to NOT_PERSONAL in storage/personal_data.py, with the reason. Then `make erasure`."
)
COLUMN_MISSING = (
    "{}: its columns and those of its `Personal` in storage/personal_*.py differ: {}. Add a"
    " new column to `exported`, or to `withheld` if the person shall not get it, and see that the erasure empties it."
    " Then `make erasure`."
)


@pytest.fixture
async def tables(idle_cluster: Cluster) -> dict[str, set[str]]:
    owner = await idle_cluster.owner()
    rows = await owner.fetch(TABLES)
    await owner.close()
    return {row["name"]: {*row["columns"]} for row in rows}


async def test_every_table_is_listed(tables):
    listed = {table.table for table in PERSONAL} | NOT_PERSONAL.keys()
    for name in sorted(tables):
        assert name in listed, TABLE_MISSING.format(name)
    assert listed == tables.keys(), "the registry lists tables that do not exist"
    assert not {table.table for table in PERSONAL} & NOT_PERSONAL.keys()


async def test_every_column_is_exported_or_withheld_for_a_reason(tables):
    for table in PERSONAL:
        named = [*table.exported.split(), *table.withheld.split()]
        assert len(named) == len({*named}), table.table
        assert {*named} == tables[table.table], COLUMN_MISSING.format(table.table, {*named} ^ tables[table.table])
        assert (table.mine is None) == (not table.exported), table.table
        assert bool(table.why) == bool(table.withheld), table.table
        assert table.erased, table.table


def test_the_functions_are_made_of_the_registry():
    assert personal_data_sql.FILE.read_text() == personal_data_sql.text(), "`make erasure` writes them"
