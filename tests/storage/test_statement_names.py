"""Names of statements in traces: few, and without values."""

import pytest

from storage.statement_names import statement_name

NAMES = [
    ("BEGIN; SELECT set_config('app.user_id', '42', true)", "BEGIN"),
    ("BEGIN READ ONLY", "BEGIN"),
    ("COMMIT", "COMMIT"),
    ("SELECT * FROM posts WHERE id = $1", "SELECT posts"),
    ("SELECT pg_notify($1, '')", "SELECT pg_notify"),
    ("SELECT visible FROM\n    may_view($1)", "SELECT may_view"),
    ("insert into outbox (id) VALUES ($1)", "INSERT outbox"),
    ("UPDATE chats SET title = 'secret'", "UPDATE chats"),
    ("DELETE FROM views WHERE post_id = 7", "DELETE views"),
    ("WITH gone AS (DELETE FROM follows RETURNING 1) SELECT count(*) FROM gone", "DELETE follows"),
    ("SELECT x FROM unnest($1::bigint[]) AS x JOIN users ON true", "SELECT users"),
    ("INSERT INTO views (a) VALUES ($1) ON CONFLICT DO UPDATE SET a = 1", "INSERT views"),
    ("LOCK posts", "SQL"),
]


@pytest.mark.parametrize(("statement", "name"), NAMES)
def test_names(statement, name):
    assert statement_name(statement) == name
