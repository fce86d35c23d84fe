"""The linter of migrations finds what locks for long, and what breaks code that still runs."""

import pytest

from storage import schema
from tests.storage.migration_linter import Violation, all_violations, violations

GOOD = """
CREATE TABLE mottos (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users, place integer CHECK (place > 0));
CREATE UNIQUE INDEX mottos_of_users ON mottos (user_id, place);
ALTER TABLE mottos ENABLE ROW LEVEL SECURITY;
CREATE POLICY mottos_read ON mottos USING (user_id = viewer_id());
GRANT SELECT (id), INSERT (id) ON mottos TO daira_app;
INSERT INTO mottos VALUES (1, 1, 1);
ALTER TABLE posts ADD COLUMN motto text NOT NULL DEFAULT '';
ALTER TABLE posts ADD CONSTRAINT motto_length CHECK (length(motto) < 100) NOT VALID;
ALTER TABLE posts ADD CONSTRAINT motto_of_user FOREIGN KEY (motto_id) REFERENCES mottos NOT VALID;
CREATE FUNCTION motto_told() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    DELETE FROM mottos; RETURN NULL; END $$;
CREATE OR REPLACE TRIGGER motto_told AFTER INSERT ON posts FOR EACH ROW EXECUTE FUNCTION motto_told();
ALTER POLICY mottos_read ON mottos USING (true);
"""
GOOD_LATER = """
CREATE INDEX CONCURRENTLY IF NOT EXISTS posts_motto ON posts (motto);

ALTER TABLE posts VALIDATE CONSTRAINT motto_length;

DO $$ BEGIN
    UPDATE posts SET motto = 'x' WHERE id BETWEEN 1 AND 1000;
    COMMIT;
END $$;
"""


@pytest.fixture
def lint(tmp_path):
    def run(sql: str, *, later: bool = False, contracts: bool = False) -> list[Violation]:
        file = tmp_path / f"r0099_mottos{'.later' if later else ''}.sql"
        file.write_text(sql)
        return violations(file, contracts=contracts)

    return run


def test_revisions_of_this_checkout_pass():
    assert all_violations() == []
    assert schema.FIRST_TO_ROLL in [each.number for each in schema.revisions()]


def test_what_locks_nothing_for_long_passes(lint):
    assert lint(GOOD) == []
    assert lint(GOOD_LATER, later=True) == []


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("ALTER TABLE posts ADD COLUMN key uuid DEFAULT gen_random_uuid();", "adding-field-with-default"),
        ("ALTER TABLE posts ADD COLUMN motto text NOT NULL;", "adding-required-field"),
        ("ALTER TABLE posts ALTER COLUMN motto SET NOT NULL;", "adding-not-nullable-field"),
        ("ALTER TABLE posts ALTER COLUMN place TYPE bigint;", "changing-column-type"),
        ("ALTER TABLE posts ADD CONSTRAINT few CHECK (place < 9);", "constraint-missing-not-valid"),
        ("ALTER TABLE posts ADD FOREIGN KEY (motto_id) REFERENCES mottos;", "adding-foreign-key-constraint"),
        ("ALTER TABLE posts ADD UNIQUE (motto);", "disallowed-unique-constraint"),
        ("ALTER TABLE posts VALIDATE CONSTRAINT few;", "validates-while-locked"),
        ("CREATE INDEX posts_motto ON posts (motto);", "require-concurrent-index-creation"),
        ("SELECT 1; CREATE INDEX CONCURRENTLY i ON posts (motto);", "ban-concurrent-index-creation-in-transaction"),
        ("SELECT 1;\n-- All of them.\nUPDATE posts SET motto = '';", "rows-without-batches"),
        ("LOCK TABLE posts;", "locks-a-table"),
    ],
)
@pytest.mark.parametrize("contracts", [False, True])
def test_what_locks_for_long_is_found(lint, sql, rule, contracts):
    assert rule in [each.rule for each in lint(sql, contracts=contracts)]


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("CREATE INDEX CONCURRENTLY posts_motto ON posts (motto);", "cannot-be-repeated"),
        ("CREATE INDEX IF NOT EXISTS posts_motto ON posts (motto);", "require-concurrent-index-creation"),
        ("DELETE FROM posts WHERE motto IS NULL;", "rows-without-batches"),
    ],
)
def test_what_locks_for_long_is_found_in_later_files(lint, sql, rule):
    assert rule in [each.rule for each in lint(sql, later=True)]


@pytest.mark.parametrize(
    "sql",
    [
        "DROP TABLE IF EXISTS mottos;",
        "ALTER TABLE posts DROP COLUMN motto;",
        "ALTER TABLE posts RENAME COLUMN motto TO words;",
        "ALTER TABLE posts RENAME TO entries;",
        "ALTER TABLE posts ALTER COLUMN motto DROP DEFAULT;",
        "DROP FUNCTION motto_told();",
        "DROP TRIGGER motto_told ON posts;",
        "DROP POLICY mottos_read ON mottos;",
        "REVOKE SELECT ON posts FROM daira_app;",
    ],
)
def test_only_a_revision_that_names_its_oldest_code_may_take_something_away(lint, sql):
    assert lint(sql) != []
    assert lint(sql, contracts=True) == []
