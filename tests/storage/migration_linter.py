"""`python -m tests.storage.migration_linter`: no revision holds a lock for long, or breaks code that still runs.

Squawk knows what PostgreSQL locks. What it does not know is in `OURS`. Revisions that landed before two releases could
run side by side are left out.
"""

import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import NamedTuple

from storage import schema

SQUAWK = Path(sysconfig.get_path("scripts")) / "squawk"
OF_STYLE = (
    "prefer-bigint-over-int", "prefer-bigint-over-smallint", "prefer-identity", "prefer-robust-stmts",
    "prefer-text-field", "prefer-timestamp-tz",
    "require-lock-timeout", "require-statement-timeout",  # `daira migrate` sets the first, and needs no other
)  # fmt: skip
DROPS = (  # code before the revision may need what it takes away
    "ban-drop-column", "ban-drop-constraint", "ban-drop-default", "ban-drop-domain", "ban-drop-function",
    "ban-drop-index", "ban-drop-not-null", "ban-drop-policy", "ban-drop-schema", "ban-drop-sequence", "ban-drop-table",
    "ban-drop-trigger", "ban-drop-type", "ban-drop-view", "ban-disable-trigger", "ban-revoke", "renaming-column",
    "renaming-table",
)  # fmt: skip


class Rule(NamedTuple):
    name: str
    pattern: str
    message: str
    in_later_files: bool = True


BATCHES = "locks many rows until it ends: write in batches, by a DO in a .later.sql file that commits after each"
SCANS = "scans a table that the transaction has locked: use a .later.sql file"
OURS = (
    Rule("rows-without-batches", r"UPDATE|DELETE|MERGE", BATCHES),
    Rule("cannot-be-repeated", r"CREATE (UNIQUE )?INDEX CONCURRENTLY (?!IF NOT EXISTS)", "say IF NOT EXISTS"),
    Rule("locks-a-table", r"LOCK|CLUSTER|VACUUM|TRUNCATE|REFRESH", "locks a table for long"),
    Rule("validates-while-locked", r".*\bVALIDATE CONSTRAINT", SCANS, in_later_files=False),
)  # fmt: skip


class Violation(NamedTuple):
    file: str
    line: int
    rule: str
    message: str


def violations(file: Path, *, contracts: bool) -> list[Violation]:
    """What is wrong with the SQL of a revision. contracts: it names the oldest code that runs on it, so it may drop."""
    later = file.name.endswith(".later.sql")
    found = [*_of_squawk(file, later=later), *_ours(file, later=later)]
    return [each for each in found if not (contracts and each.rule in DROPS)]


def all_violations() -> list[Violation]:
    found = []
    for revision in schema.revisions():
        if revision.number > schema.FIRST_TO_ROLL:
            for file in (revision.file, revision.later_file):
                if file.exists():
                    found += violations(file, contracts=revision.oldest_code is not None)
    return found


def _of_squawk(file: Path, *, later: bool) -> list[Violation]:
    options = ["--pg-version=18", "--reporter=json", *([] if later else ["--assume-in-transaction"])]
    rules = [*(f"--exclude={rule}" for rule in OF_STYLE), *(f"--include={rule}" for rule in DROPS)]
    result = subprocess.run([SQUAWK, *options, *rules, file], capture_output=True, text=True, check=False)
    if result.returncode not in (0, 1) or not result.stdout:
        raise RuntimeError(f"squawk failed: {result.stderr}")
    return [
        Violation(file.name, each["line"] + 1, each["rule_name"], each["message"]) for each in json.loads(result.stdout)
    ]


def _ours(file: Path, *, later: bool) -> list[Violation]:
    text = re.sub(r"--[^\n]*", "", file.read_text("utf-8"))
    text = re.sub(r"(\$\w*\$).*?\1", lambda body: "\n" * body[0].count("\n"), text, flags=re.DOTALL)
    found, line = [], 1
    for statement in text.split(";"):
        start = line + statement[: len(statement) - len(statement.lstrip())].count("\n")
        for rule in OURS:
            applies = rule.in_later_files or not later
            if applies and re.match(rule.pattern, " ".join(statement.split()), re.IGNORECASE):
                found.append(Violation(file.name, start, rule.name, rule.message))
        line += statement.count("\n")
    return found


def main() -> int:
    found = all_violations()
    for each in found:
        print(f"{each.file}:{each.line}: {each.rule}: {each.message}")
    if found:
        print("See docs/operating.md, Migrations. A revision that drops must name its oldest_code.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
