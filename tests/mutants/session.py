"""Mutation testing: run the tests of a module against a sample of its mutants, inside a copy of the checkout."""

import argparse
import asyncio
import itertools
import os
import random
import sys
import tempfile
import time
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
from redis import Redis, ResponseError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gateway.embedded import EmbeddedServers, Servers
from storage.migrating import migrate
from tests.mutants import database_rules, python_code, script_text, trial
from tests.mutants.guards import GUARDS
from tests.mutants.mutant import Mutant
from tests.mutants.trial import Asked, Told

DATABASE = "migrated"
EQUIVALENT = Path(__file__).with_name("equivalent.toml")
LONGEST_BASELINE_S = 1_800.0
OUTCOMES = ("killed", "survived", "timed out")

console = Console()


class Equivalent(NamedTuple):
    """A mutant that behaves like the code, or changes only behaviour that is not promised; `reason` says why."""

    module: str
    place: str | None  # as of a mutant; None: anywhere in the module
    was: str  # the line
    becomes: str | None  # the mutant's line; None: any change of the line
    reason: str

    def is_of(self, mutant: Mutant) -> bool:
        if self.module != mutant.module or self.place not in (None, mutant.place):
            return False
        was, becomes = mutant.changed_lines()  # which takes its time
        return self.was == was and self.becomes in (None, becomes)


def equivalents() -> list[Equivalent]:
    entries: list[dict[str, Any]] = tomllib.loads(EQUIVALENT.read_text())["equivalent"]
    return [Equivalent(**{"place": None, "becomes": None, **each}) for each in entries]


def of_files(module: str) -> list[Mutant]:
    if not Path(module).is_dir():
        return list(python_code.mutants(module, Path(f"{module}.py")))
    scripts = [(str(path), path.read_text()) for path in sorted(Path(module).glob("*.lua"))]
    return [each for path, text in scripts for each in script_text.mutants(module, path, text, script_text.LUA)]


class Session:
    def __init__(self, servers: Path, modules: list[str], seed: int, deadline: float) -> None:
        self._servers = servers
        self._modules = modules
        self._random = random.Random(seed)
        self._deadline = deadline
        self._equivalents = equivalents()
        self._output = Path(servers.parent) / "output"
        self._seconds: dict[str, float] = {}
        self._reached: dict[str, dict[int, set[str]]] = {}
        self.outcomes: dict[str, Counter[str]] = {module: Counter() for module in modules}
        self.survivors: list[Mutant] = []

    async def run(self) -> None:
        servers = EmbeddedServers(self._servers)
        try:
            running = await servers.start()
            self._redis_url = running.redis_url
            of_database = await self._of_database(running)
            by_module = {module: of_database.get(module) or of_files(module) for module in self._modules}
            for mutants in by_module.values():
                self._random.shuffle(mutants)
            await asyncio.to_thread(self._measure)
            await asyncio.to_thread(self._try, by_module)
        finally:
            self._deadline = 0  # ends the thread of an interrupted run
            await servers.stop()
            servers.erase()

    async def _of_database(self, servers: Servers) -> dict[str, list[Mutant]]:
        """Migrate a database, make its mutants, and rename it as the template that trials copy."""
        roles = (servers.postgres_url(role) for role in ("daira_owner", "daira_app", "daira_worker"))
        await migrate(*roles)
        connection = await asyncpg.connect(servers.postgres_url("daira_owner"))
        found = {
            "database/policies": await database_rules.policies(connection),
            "database/functions": await database_rules.functions(connection),
        }
        await connection.close()
        connection = await asyncpg.connect(servers.postgres_url("postgres", "postgres"))
        await connection.execute(f"ALTER DATABASE daira RENAME TO {DATABASE}")
        await connection.close()
        return found

    def _measure(self) -> None:
        """Run all tests without a mutant: record which tests reach which line, and how long each takes."""
        tests = list(dict.fromkeys(test for module in self._modules for test in GUARDS[module]))
        paths = [f"{module}.py" for module in self._modules if Path(f"{module}.py").exists()]
        with console.status(f"Running {len(tests)} test files without a mutant …"):
            asked = Asked(self._servers, DATABASE, tests, measured=(*paths, "none.py"))
            told = trial.run(asked, LONGEST_BASELINE_S, self._output)
        if told is None or not set(told.failures) <= told.seconds.keys():
            print(self._output.read_text()[-8_000:])
            sys.exit(f"the tests cannot run without a mutant: {told.failures if told else 'they do not end'}")
        for test in told.failures:
            console.print(f"[red]fails without a mutant, so it is not used: {test}")
        self._seconds = {test: seconds for test, seconds in told.seconds.items() if test not in told.failures}
        self._reached = told.reached
        console.print(f"{len(self._seconds)} tests pass without a mutant, in {sum(told.seconds.values()):.0f} s")

    def _tests_of(self, mutant: Mutant) -> list[str]:
        """Return the tests that reach the line; all of the module's tests if that is unknown.

        Tests that name the table of a policy come first, then the fastest.
        """
        lines = self._reached.get(mutant.place, {})
        tests = lines.get(mutant.line if mutant.place.endswith(".py") else 0, {""})
        guards = GUARDS[mutant.module]
        table = mutant.place.rpartition(" on ")[2]
        if not tests - {""}:
            tests = set(self._seconds)

        def order(test: str) -> tuple[bool, int, int]:
            return table not in test, round(self._seconds[test] * 2), guards.index(test.partition("::")[0])

        among = (test for test in tests & self._seconds.keys() if test.partition("::")[0] in guards)
        return sorted(among, key=order)

    def _try(self, by_module: dict[str, list[Mutant]]) -> None:
        amount = sum(map(len, by_module.values()))
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, TextColumn("{task.fields[left]} left"), console=console) as progress:
            task = progress.add_task("mutants", total=amount, left="?")
            began, tried = time.monotonic(), 0
            for mutant in _in_turns(by_module):
                now = time.monotonic()
                if now > self._deadline:
                    break
                tried += 1
                rest = min(self._deadline - now, (now - began) / tried * (amount - tried) if tried > 1 else 1e9)
                progress.update(task, description=mutant.module, left=f"{int(rest) // 60}:{int(rest) % 60:02}")
                outcome = self._outcome(mutant)
                progress.advance(task)
                if outcome is None:
                    continue
                self.outcomes[mutant.module][outcome] += 1
                if outcome == "survived":
                    self.survivors.append(mutant)
                    progress.console.print(mutant.diff(), markup=False, highlight=False, soft_wrap=True)

    def _outcome(self, mutant: Mutant) -> str | None:
        """Return the outcome; None if the mutant is invalid or equivalent."""
        if not self._is_code(mutant) or any(each.is_of(mutant) for each in self._equivalents):
            return None
        tests = self._tests_of(mutant)
        asked = Asked(self._servers, DATABASE, tests)
        timeout = 15 + 4 * sum(self._seconds[test] for test in tests)
        path = Path(mutant.place)
        if mutant.module.startswith("database/"):
            told = trial.run(asked._replace(statement=mutant.make()), timeout, self._output)
        else:
            before = path.stat()
            path.write_text(mutant.make())
            try:
                told = trial.run(asked, timeout, self._output)
            finally:
                path.write_text(mutant.original)
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # its bytecode is valid again
        return _judge(told)

    def _is_code(self, mutant: Mutant) -> bool:
        """Return whether it compiles: some operators make invalid code, for example of a `*` between parameters, or of
        the `-` of a negative number.
        """
        try:
            if mutant.place.endswith(".py"):
                compile(mutant.make(), mutant.place, "exec")
            elif mutant.place.endswith(".lua"):
                with Redis.from_url(self._redis_url) as redis:
                    redis.script_load(mutant.make())
        except (SyntaxError, ResponseError):
            return False
        return True


def _judge(told: Told | None) -> str | None:
    if told is None:
        return "timed out"
    if not told.is_possible:
        return None
    return "killed" if told.failures else "survived"


def _in_turns(by_module: dict[str, list[Mutant]]) -> list[Mutant]:
    """Return all mutants, one of each module in turn: the bar holds for each module, however small."""
    rounds = itertools.zip_longest(*by_module.values())
    return [mutant for each in rounds for mutant in each if mutant is not None]


def report(outcomes: dict[str, Counter[str]]) -> None:
    table = Table("module", *("tried", *OUTCOMES, "noticed"), title="mutants")
    total: Counter[str] = Counter()
    for module, counts in outcomes.items():
        total += counts
        table.add_row(module, *_cells(counts))
    table.add_section()
    table.add_row("all", *_cells(total))
    console.print(table)


def _cells(counts: Counter[str]) -> list[str]:
    tried = counts.total()
    noticed = f"{(tried - counts['survived']) / tried:.0%}" if tried else "–"
    return [str(tried), *(str(counts[outcome]) for outcome in OUTCOMES), noticed]


def main() -> None:
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="selects the sample")
    parser.add_argument(
        "--minutes", type=float, default=30, help="stop after this time and report the mutants tried so far"
    )
    parser.add_argument(
        "--module", action="append", choices=GUARDS, metavar="MODULE", help="one of " + ", ".join(GUARDS)
    )
    options = parser.parse_args()
    deadline = time.monotonic() + options.minutes * 60
    with tempfile.TemporaryDirectory(prefix="daira-mutants-") as scratch:
        session = Session(Path(scratch) / "servers", options.module or list(GUARDS), options.seed, deadline)
        try:
            asyncio.run(session.run())
        finally:
            report(session.outcomes)
