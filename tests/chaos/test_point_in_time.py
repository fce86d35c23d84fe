"""A base backup and archived WAL restore the database to a moment between two posts, as docs/operating.md tells."""

import asyncio
import os
import shutil
from pathlib import Path

import asyncpg
import pytest

from gateway.embedded import EmbeddedServers, postgres_programs
from gateway.embedded.postgres import Postgres
from tests.cluster import Cluster
from tests.patience import WAIT_S

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]


@pytest.fixture
def home(tmp_path):
    """A folder that the database server may write, whoever runs the test."""
    folder = Path("/var/lib/daira") if os.geteuid() == 0 else tmp_path
    own = folder / f"archive-{tmp_path.name}-{os.getpid()}"
    own.mkdir(parents=True)
    own.chmod(0o777)
    yield own
    shutil.rmtree(own)


async def sql(embedded: EmbeddedServers, statement: str) -> object:
    connection = await asyncpg.connect(embedded.servers.postgres_url("postgres"))
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def until(embedded: EmbeddedServers, statement: str) -> None:
    async with asyncio.timeout(2 * WAIT_S):
        while not await sql(embedded, statement):
            await asyncio.sleep(0.05)


async def test_the_database_returns_to_a_moment_between_two_posts(tmp_path, home):
    # WAL archiving is switched on by the server's settings, and needs a restart.
    data_dir = tmp_path / "data"
    embedded = EmbeddedServers(data_dir)
    await embedded.start()
    await sql(embedded, "ALTER SYSTEM SET archive_mode = 'on'")
    command = f"test ! -f {home}/wal/%f && cp %p {home}/wal/%f"
    await sql(embedded, f"ALTER SYSTEM SET archive_command = '{command}'")
    (home / "wal").mkdir(mode=0o777)
    (home / "wal").chmod(0o777)
    await embedded.stop()

    cluster = Cluster(data_dir, None)
    await cluster.start()
    try:
        alice = await cluster.person("alice")
        early = await alice.call("post.create", text="in the base backup")
        url = cluster.servers.postgres_url("postgres", "postgres")
        program = postgres_programs() / "pg_basebackup"
        copying = await asyncio.create_subprocess_exec(
            program, "-D", home / "base", "-c", "fast", "-X", "none", "-d", url
        )
        assert await copying.wait() == 0
        kept = await alice.call("post.create", text="before the mistake")
        moment = await sql(cluster.embedded, "SELECT clock_timestamp()::text")
        lost = await alice.call("post.create", text="the mistake")
        segment = await sql(cluster.embedded, "SELECT pg_walfile_name(pg_switch_wal())")
        await until(cluster.embedded, f"SELECT last_archived_wal >= '{segment}' FROM pg_stat_archiver")
    finally:
        await cluster._closing.aclose()

    place = Postgres(cluster.servers, data_dir)
    place.erase()
    shutil.copytree(home / "base", place._home)
    with (place._home / "postgresql.auto.conf").open("a") as settings:
        settings.write(f"restore_command = 'cp {home}/wal/%f %p'\n")
        settings.write(f"recovery_target_time = '{moment}'\nrecovery_target_action = 'promote'\n")
    (place._home / "recovery.signal").touch()
    if place._user is not None:
        for path in (place._home, *place._home.rglob("*")):
            os.chown(path, place._user.pw_uid, place._user.pw_gid)
    place._home.chmod(0o700)
    restored = EmbeddedServers(data_dir)
    await restored.start()
    await until(restored, "SELECT NOT pg_is_in_recovery()")
    await restored.stop()

    # Redis has events and feeds of posts that are gone: a new prefix leaves them behind.
    cluster = Cluster(data_dir, None, prefix="after-the-mistake")
    await cluster.start()
    try:
        again = cluster.new_client(alice.name, "python-msgpack")
        [token] = await cluster.tokens([alice.name])
        await cluster.connect(again, node="a", codec="msgpack", token=token)
        for post in (early, kept):
            assert (await again.call("post.get", post_id=post["id"]))["text"] == post["text"]
        assert (await again.refused("post.get", post_id=lost["id"])).code == "NOT_FOUND"
        await again.call("post.create", text="after the mistake")
    finally:
        await cluster.stop()
