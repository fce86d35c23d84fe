"""The mutators make the expected mutants, and the lists of modules and equivalent mutants are up to date."""

from pathlib import Path

import pytest

from tests.mutants import python_code, script_text
from tests.mutants.guards import GUARDS
from tests.mutants.mutant import Mutant
from tests.mutants.session import equivalents


def changed(mutants: list[Mutant]) -> set[str]:
    return {each.changed_lines()[1] for each in mutants}


def test_python(tmp_path):
    path = tmp_path / "module.py"
    path.write_text(
        "def f(a: int | None, b):\n    if a is None and b < 3:\n"
        "        log.info('x')\n        g(b)\n    return b in {1, 2}\n"
    )
    assert changed(list(python_code.mutants("module", path))) >= {
        "if a is not None and b < 3:", "if a is None and b <= 3:", "if a is None and b >= 3:", "if a is None or b < 3:",
        "if b < 3:", "if a is None:",
        "if not (a is None and b < 3):", "pass", "return b not in {1, 2}", "return b in {1}",
    }  # fmt: skip
    mutants = list(python_code.mutants("module", path))
    assert not [each for each in mutants if each.line in (1, 3)]  # annotations and logs are not mutated
    assert {each.original for each in mutants} == {path.read_text()}


def test_lua():
    text = "-- if a == b\nif a == 1 and b < c then\n    redis.call('DEL', KEYS[1])\nend"
    assert changed(list(script_text.mutants("m", "x.lua", text, script_text.LUA))) == {
        "if a ~= 1 and b < c then", "if a == 2 and b < c then", "if a == 0 and b < c then", "if a == 1 or b < c then",
        "if true and b < c then", "if a == 1 and true then", "if a == 1 and b <= c then", "if a == 1 and b >= c then",
        "if not (a == 1 and b < c) then", "",
    }  # fmt: skip


def test_operands_end_at_brackets():
    text = "return {a or '', f(b and c[1], d)}"
    assert changed(list(script_text.mutants("m", "x.lua", text, script_text.LUA))) >= {
        text.replace("a or", "false or"), text.replace("or ''", "or false"), text.replace("b and", "true and"),
        text.replace("and c[1]", "and true"),
    }  # fmt: skip


def test_every_mutant_differs_from_the_original():
    text = "return a or false"
    assert text not in changed(list(script_text.mutants("m", "x.lua", text, script_text.LUA)))


def test_sql():
    text = "SELECT FROM t WHERE (a = 1 OR b = 'x and y') AND NOT EXISTS (SELECT FROM u) ORDER BY a"
    assert changed(list(script_text.mutants("m", "f", text, script_text.SQL))) >= {
        text.replace("a = 1", "a <> 1"), text.replace("b = ", "b <> "), text.replace(" OR ", " AND "),
        text.replace("a = 1 OR", "false OR"), text.replace("OR b = 'x and y'", "OR false"),
        text.replace("(a = 1 OR b = 'x and y')", "true"), text.replace("NOT EXISTS (SELECT FROM u)", "true"),
        text.replace(" AND NOT", " OR NOT"), text.replace("NOT EXISTS", " EXISTS"),
    }  # fmt: skip


@pytest.mark.parametrize("module", GUARDS)
def test_modules_and_their_test_files_exist(module):
    assert module.startswith("database/") or Path(module).is_dir() or Path(f"{module}.py").is_file()
    assert all(Path(test).is_file() for test in GUARDS[module])


def test_lines_of_equivalent_mutants_are_still_in_the_code():
    stale = [
        each
        for each in equivalents()
        if not each.module.startswith("database/") and each.was not in source(each.module)
    ]
    assert not stale
    assert all(each.reason for each in equivalents())


def source(module: str) -> str:
    paths = sorted(Path(module).glob("*.lua")) or [Path(f"{module}.py")]
    return " ".join(line.strip() for path in paths for line in path.read_text().splitlines())


def test_a_removed_line_is_shown_without_the_blank_line_before_it():
    mutant = Mutant("m", "m.py", 2, "a\n\n@b\nc\n", lambda: "a\nc\n")
    assert mutant.changed_lines() == ("@b", "")
