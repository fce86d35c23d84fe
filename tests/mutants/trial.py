"""Run some tests in a new process, forked from one that has already imported the slow packages.

The servers stay up between trials; each trial that needs them starts with a copy of the migrated database and an empty
Redis.
"""

import asyncio
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

import pytest

# DAIRA's own modules are not listed: each trial imports them from their current files.
SLOW_TO_IMPORT = [
    "tests.mutants.trial", "pytest", "uvloop",
    "asyncpg", "aiohttp.web", "socketio", "redis.asyncio", "sqlalchemy.ext.asyncio", "alembic.command", "msgspec",
    "structlog", "aioboto3", "limits.aio.strategies", "jwt", "bcrypt", "typer", "rich.progress", "prometheus_client",
    "pydantic_settings", "livekit.api", "snowballstemmer", "stamina", "coverage", "jsonschema", "hypothesis.strategies",
]  # fmt: skip
WAIT_S = 8.0  # a healthy node needs a tenth of a second
MOST_MEMORY = 4 * 1024**3

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(SLOW_TO_IMPORT)


class Asked(NamedTuple):
    servers: Path  # data folder of the running servers
    database: str  # name of the migrated template
    tests: Sequence[str]
    statement: str = ""  # SQL that puts a mutant into the database
    measured: Sequence[str] = ()  # paths to measure coverage of, in the trial without a mutant


class Told(NamedTuple):
    failures: list[str]  # failed tests, or other errors
    seconds: dict[str, float]  # by test
    reached: dict[str, dict[int, set[str]]]  # path → line (0 for the whole of a Lua script) → tests
    is_possible: bool = True  # False: the database refuses the mutant's statement


class NotPossible(Exception):
    """The database refuses the mutant's statement."""


def run(asked: Asked, timeout: float, output: Path) -> Told | None:
    """Run the tests, blocking. Returns None if they did not end in time."""
    reader, writer = _PROCESSES.Pipe(duplex=False)
    process = _PROCESSES.Process(target=_run, args=(writer, asked, output))
    process.start()
    writer.close()
    try:
        if not reader.poll(timeout):
            return None
        told: Told = reader.recv()
        return told
    except EOFError:
        return Told(["the process ended"], {}, {})
    finally:
        assert process.pid is not None
        for kill in (lambda pid: os.killpg(pid, signal.SIGKILL), lambda pid: os.kill(pid, signal.SIGKILL)):
            try:
                kill(process.pid)
            except ProcessLookupError:
                continue
        process.join()
        reader.close()


def _run(writer: Connection, asked: Asked, output: Path) -> None:
    os.setsid()
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    # A mutant can have the size and time of the original, which validate bytecode: so it must not write any.
    sys.dont_write_bytecode = not asked.measured
    try:
        writer.send(_test(asked))
    except NotPossible:
        writer.send(Told([], {}, {}, is_possible=False))
    except BaseException as error:
        traceback.print_exc()
        writer.send(Told([f"before the tests: {type(error).__name__}: {error}"], {}, {}))


def _test(asked: Asked) -> Told:
    watch = _Watch(asked)
    stop = [] if asked.measured else ["-x"]
    options = ["-o", "addopts=", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:randomly"]
    arguments = [*stop, *options, "-W", "ignore::pytest.PytestAssertRewriteWarning", *asked.tests]  # of SLOW_TO_IMPORT
    with watch:
        code = pytest.main(arguments, plugins=[watch])
    if watch.refused:
        raise NotPossible
    ended_well = code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
    return Told(
        watch.failures or ([] if ended_well else [f"pytest ended with {code!r}"]), watch.seconds, watch.reached()
    )


class _Watch:
    """The pytest plugin that gives the tests the running servers and records outcomes and coverage."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._scripts: dict[str, dict[int, set[str]]] = {}
        self._test = ""
        self.failures: list[str] = []
        self.refused = False
        self.seconds: dict[str, float] = {}

    def __enter__(self) -> None:
        if self._asked.measured:
            import coverage

            self._coverage = coverage.Coverage(
                data_file=None, config_file=False, include=[str(Path(path).absolute()) for path in self._asked.measured]
            )
            self._coverage.start()
            self._watch_scripts()
        from tests import patience

        patience.WAIT_S = WAIT_S  # before any module imports it
        import tests.cluster

        tests.cluster.EmbeddedServers = _warm_servers(self._asked, self._refuse)  # type: ignore[misc, assignment]

    def __exit__(self, *_: object) -> None:
        if self._asked.measured:
            self._coverage.stop()

    def reached(self) -> dict[str, dict[int, set[str]]]:
        if not self._asked.measured:
            return {}
        data, lines = self._coverage.get_data(), {}
        for path in self._asked.measured:
            by_line = data.contexts_by_lineno(str(Path(path).absolute()))
            lines[path] = {line: set(tests) for line, tests in by_line.items()}
        return {**lines, **self._scripts}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self._test = item.nodeid
        if self._asked.measured:
            self._coverage.switch_context(item.nodeid)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0) + report.duration
        if report.failed:
            self.failures.append(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failures.append(f"collecting {report.nodeid}")

    def _refuse(self) -> None:
        self.refused = True

    def _watch_scripts(self) -> None:
        """Record which tests run which Lua script."""
        from storage.redis_link import LinkScript

        watch, begin = self, LinkScript.__init__

        def remember(script: Any, *paths: Path) -> None:
            script.paths = [str(path.relative_to(Path.cwd())) for path in paths if path.is_relative_to(Path.cwd())]
            begin(script, *paths)

        class Digest:
            def __set__(self, script: Any, digest: str) -> None:
                script.__dict__["digest"] = digest

            def __get__(self, script: Any, _: type) -> str:
                for path in script.paths:
                    watch._scripts.setdefault(path, {}).setdefault(0, set()).add(watch._test)
                digest: str = script.__dict__["digest"]
                return digest

        LinkScript.__init__ = remember  # type: ignore[method-assign]
        LinkScript.digest = Digest()  # type: ignore[assignment]


def _warm_servers(asked: Asked, refuse: Callable[[], None]) -> type:
    """Return the class that replaces EmbeddedServers: it uses the running servers."""
    import asyncpg
    from redis.asyncio import Redis

    from gateway.embedded import Servers, find_servers

    class WarmServers:
        def __init__(self, data_dir: Path, *, voice: bool = False) -> None:
            self._data_dir = data_dir

        async def start(self) -> Servers:
            shutil.copy(asked.servers / "servers.json", self._data_dir)
            servers = find_servers(self._data_dir)
            assert servers is not None
            await asyncio.gather(self._renew_database(servers), self._empty_redis(servers))
            return servers

        async def stop(self) -> None: ...

        def erase(self) -> None: ...

        async def _renew_database(self, servers: Servers) -> None:
            connection = await asyncpg.connect(servers.postgres_url("postgres", "postgres"))
            await connection.execute("DROP DATABASE IF EXISTS daira WITH (FORCE)")
            await connection.execute(f"CREATE DATABASE daira TEMPLATE {asked.database} OWNER daira_owner")
            await connection.close()
            if asked.statement:
                connection = await asyncpg.connect(servers.postgres_url("postgres"))
                try:
                    await connection.execute(asked.statement)
                except asyncpg.PostgresError:
                    refuse()
                    raise
                finally:
                    await connection.close()

        async def _empty_redis(self, servers: Servers) -> None:
            redis = Redis.from_url(servers.redis_url, protocol=2)
            await redis.flushall()
            await redis.aclose()

    return WarmServers
