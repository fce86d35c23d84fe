"""The servers of the topology: how each is set up and started in its namespace."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import asyncpg

from gateway.embedded import Servers, redis_program
from gateway.embedded.kafka import Kafka, kafka_jars
from gateway.embedded.postgres import Postgres
from gateway.embedded.server import packaged_program
from tests.redis_cluster import NODE_TIMEOUT_MS
from tests.topology.network import Host

PASSWORD = "secret-of-this-run"
DATABASE = "daira"
REDIS_PORT, POSTGRES_PORT, PGBOUNCER_PORT, S3_PORT, KAFKA_PORT = 6379, 5432, 6432, 8080, 9092
GATEWAY_PORT, SIDECAR_PORT, PROXY_PORT = 8000, 8001, 8000
S3_KEY, S3_SECRET = "topology-access-key", "topology-secret-key"


def why_not() -> str | None:
    """Why the servers cannot run here; None if they can."""
    if not shutil.which("haproxy"):
        return "the package haproxy is missing"
    if not shutil.which("java") or kafka_jars() is None:
        return "Java or Kafka is missing: make kafka"
    return None if packaged_program("pgbouncer").exists() else "PgBouncer is missing: make deploy-tools"


def postgres_programs() -> Path:
    """The folder of programs that the user nobody can run."""
    return Postgres(_embedded(), Path("/nowhere"))._programs


# ------------------------------------------------------------------------------------------ PostgreSQL and PgBouncer

_POSTGRES = {
    "max_connections": "300",
    "shared_buffers": "64MB",
    "wal_level": "replica",
    "hot_standby": "on",
    "max_wal_senders": "10",
    "wal_keep_size": "256MB",
    "log_min_messages": "warning",
    "unix_socket_directories": "",
    # A server that was cut off must notice that its peers are gone.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "20000",
    "wal_sender_timeout": "20s",
    "wal_receiver_timeout": "20s",
}


def create_postgres(folder: Path, network: str) -> None:
    """Create the primary's data. network: the addresses that may connect, as 10.0.0.0/24."""
    password_file = folder.with_suffix(".password")
    password_file.write_text(PASSWORD)
    _give_to_nobody(password_file)
    _as_nobody(
        postgres_programs() / "initdb", "-D", folder, "-U", "postgres", "--encoding=UTF8",
        "--locale-provider=builtin", "--locale=C.UTF-8", "--auth=scram-sha-256", f"--pwfile={password_file}",
        "--no-sync", "--no-instructions",
    )  # fmt: skip
    password_file.unlink()
    with (folder / "pg_hba.conf").open("a") as rules:
        rules.write(f"host all all {network} scram-sha-256\nhost replication all {network} scram-sha-256\n")


def postgres(host: Host, folder: Path) -> list[str]:
    settings = [argument for name, value in _POSTGRES.items() for argument in ("-c", f"{name}={value}")]
    program = postgres_programs() / "postgres"
    return host.command(
        program, "-D", folder, "-h", host.address, "-p", POSTGRES_PORT, *settings, as_nobody=True
    )  # fmt: skip


def copy_primary(replica: Host, folder: Path, primary: Host) -> None:
    """Make the replica's data: a base backup, with the settings to follow the primary."""
    address = f"host={primary.address} port={POSTGRES_PORT} user=postgres password={PASSWORD}"
    options = "keepalives_idle=10 keepalives_interval=5 keepalives_count=3 tcp_user_timeout=20000 connect_timeout=5"
    program = postgres_programs() / "pg_basebackup"
    command = replica.command(
        program, "-d", f"{address} {options}", "-D", folder, "-R", "-X", "stream", "-c", "fast", as_nobody=True
    )
    subprocess.run(command, check=True, cwd="/")


async def ensure_database(primary: Host) -> None:
    url = f"postgresql://postgres:{PASSWORD}@{primary.address}:{POSTGRES_PORT}/postgres"
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(f"CREATE ROLE daira_owner LOGIN CREATEROLE CREATEDB PASSWORD '{PASSWORD}'")
        await connection.execute(f"CREATE DATABASE {DATABASE} OWNER daira_owner")
    finally:
        await connection.close()


def pgbouncer(host: Host, folder: Path, primary: Host) -> list[str]:
    users = folder / "users.txt"
    users.write_text("".join(f'"{role}" "{PASSWORD}"\n' for role in ("daira_app", "daira_worker")))
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"""[databases]
{DATABASE} = host={primary.address} port={POSTGRES_PORT}
[pgbouncer]
listen_addr = {host.address}
listen_port = {PGBOUNCER_PORT}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
pool_mode = transaction
max_prepared_statements = 200
max_client_conn = 500
default_pool_size = 40
server_connect_timeout = 3
server_login_retry = 1
query_wait_timeout = 5
tcp_keepidle = 10
tcp_keepintvl = 5
tcp_keepcnt = 3
tcp_user_timeout = 10000
ignore_startup_parameters = extra_float_digits
log_connections = 0
log_disconnections = 0
"""
    )
    _give_to_nobody(users)
    program = folder / "pgbouncer"
    if not program.exists():
        shutil.copy(packaged_program("pgbouncer"), program)  # where nobody can read it
    return host.command(program, settings, as_nobody=True)


# ------------------------------------------------------------------------------------------ Redis, S3, HAProxy


def redis(host: Host, folder: Path) -> list[str]:
    return host.command(
        redis_program(), "--port", REDIS_PORT, "--bind", host.address, "--protected-mode", "no", "--dir", folder,
        "--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction", "--cluster-enabled", "yes",
        "--cluster-node-timeout", NODE_TIMEOUT_MS, "--cluster-require-full-coverage", "no",
        "--repl-diskless-sync-delay", 0,
    )  # fmt: skip


class Broker(Kafka):
    """Kafka as `daira up` runs it, but at the address of its host."""

    def __init__(self, host: Host, folder: Path) -> None:
        super().__init__(_embedded(KAFKA_PORT), folder)
        self._host = host

    def start_command(self) -> list[str]:
        """With a hosts file for all names: Java looks up the names of its peers, and no name server answers here."""
        hosts = self._folder / "hosts"
        hosts.write_text(f"{self._host.address} kafka\n")
        java, *arguments = self.command().argv
        return self._host.command(java, f"-Djdk.net.hosts.file={hosts}", *arguments)

    def _write_settings(self) -> None:
        super()._write_settings()
        self._settings.write_text(self._settings.read_text().replace("127.0.0.1", self._host.address))


def s3(host: Host, folder: Path) -> list[str]:
    return host.command(
        packaged_program("rclone"), "serve", "s3", "--config", "/dev/null", "--addr", f"{host.address}:{S3_PORT}",
        "--auth-key", f"{S3_KEY},{S3_SECRET}", "--allow-origin", "*", folder,
    )  # fmt: skip


def haproxy(host: Host, folder: Path, nodes: list[Host]) -> list[str]:
    servers = "\n".join(
        f"    server {node.name} {node.address}:{GATEWAY_PORT} check port {SIDECAR_PORT} tcp-ut 15s" for node in nodes
    )
    settings = folder / "haproxy.cfg"
    settings.write_text(
        f"""global
    maxconn 2000
defaults
    mode http
    option forwardfor
    timeout connect 2s
    timeout client 60s
    timeout server 60s
    timeout tunnel 1h
    timeout check 3s
    option redispatch 1
    retries 3
    retry-on conn-failure empty-response
frontend clients
    bind {host.address}:{PROXY_PORT}
    default_backend gateway
backend gateway
    balance leastconn
    option httpchk GET /health/ready
    http-check expect status 200
    default-server inter 500ms fall 3 rise 1
{servers}
"""
    )
    return host.command("haproxy", "-f", settings, "-db")


def _embedded(kafka_port: int = 0) -> Servers:
    """Servers of no folder, of which parts of `daira up` read the ports and the password."""
    return Servers("none", 0, 0, 0, PASSWORD, "", "", "", kafka_port=kafka_port, kafka_controller_port=kafka_port + 1)


async def accepts(address: str, port: int) -> bool:
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection(address, port)
    except OSError:  # TimeoutError among them
        return False
    writer.close()
    return True


def _as_nobody(*command: object) -> None:
    options = ["--reuid=nobody", "--regid=nogroup", "--clear-groups", "--"]
    subprocess.run(["setpriv", *options, *map(str, command)], check=True, cwd="/", capture_output=True)


def _give_to_nobody(path: Path) -> None:
    shutil.chown(path, "nobody", "nogroup")
    os.chmod(path, 0o600)
