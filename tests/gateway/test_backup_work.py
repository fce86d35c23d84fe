"""A backup holds the database of one moment and its objects, and is restored only where nothing is."""

from pathlib import Path

import asyncpg
import pytest
from rich.progress import Progress

from gateway import demo
from gateway.backup_folder import BackupBroken, BackupFolder, NotEmpty
from gateway.backup_work import make_backup, restore_backup
from gateway.embedded import postgres_programs
from gateway.settings import Settings
from gateway.stores import prepare_bucket
from storage.dumps import DumpFailed
from storage.object_files import ObjectFiles
from storage.signed_urls import UrlSigner
from tests.cluster import Cluster
from tests.storage.releases import OwnDatabase

KEY = "private/1/a photo/ü.webp"


class Place:
    """A database, a bucket and a prefix of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self.database = OwnDatabase(cluster)
        owner, app, worker = self.database.urls
        servers = cluster.servers
        self.settings = Settings(
            _env_file=None,
            postgres_url=app, postgres_worker_url=worker, postgres_owner_url=owner, redis_url=servers.redis_url,
            prefix=cluster.unique("backup").replace("_", "-"), s3_endpoint=servers.s3_endpoint,
            s3_access_key=servers.s3_access_key, s3_secret_key=servers.s3_secret_key,
            s3_bucket=cluster.unique("backup").replace("_", "-"), token_keys="a:" + 32 * "x",
            postgres_programs=postgres_programs(),
        )  # fmt: skip

    def files(self) -> ObjectFiles:
        return ObjectFiles(UrlSigner(self.settings.bucket))


@pytest.fixture(scope="module")
async def source(idle_cluster: Cluster, tmp_path_factory):
    """A place with users, posts, an unsent event, a position in Kafka, and an object."""
    place = Place(idle_cluster)
    await place.database.create()
    await place.database.migrate()
    await demo.seed(place.database.urls[0], 30, lambda name, done: None)
    await place.database.owner.execute(
        """INSERT INTO outbox (id, topic, key, payload) VALUES (1, 'post.created', '1', '{}');
        INSERT INTO log_offsets (worker_group, topic, partition, next_offset) VALUES ('fanout', 'post.created', 0, 7)"""
    )
    await prepare_bucket(place.settings)
    photo = tmp_path_factory.mktemp("photo") / "photo"
    photo.write_bytes(b"a photo")
    files = place.files()
    await files.upload(photo, KEY, "image/webp")
    await files.close()
    yield place
    await place.database.drop()


@pytest.fixture(scope="module")
async def folder(source: Place, tmp_path_factory) -> BackupFolder:
    made = BackupFolder(tmp_path_factory.mktemp("backups") / "backup")
    with Progress(disable=True) as progress:
        await make_backup(source.settings, made, progress, objects=True, jobs=2)
    return made


@pytest.fixture
async def target(idle_cluster: Cluster):
    place = Place(idle_cluster)
    await place.database.create()
    yield place
    await place.database.drop()


async def restore(place: Place, folder: BackupFolder) -> int:
    with Progress(disable=True) as progress:
        return await restore_backup(place.settings, folder, progress, jobs=2)


async def rows(place: Place) -> dict[str, list[asyncpg.Record]]:
    tables = ("users", "posts", "follows", "chat_messages", "outbox", "schema_versions")
    return {table: await place.database.owner.fetch(f"SELECT * FROM {table} ORDER BY 1, 2") for table in tables}


async def test_a_restored_database_and_bucket_hold_what_was_backed_up(source, folder, target, tmp_path: Path):
    manifest = folder.manifest()
    assert (manifest.rows["users"], manifest.objects, manifest.object_bytes) == (30, 1, 7)
    assert await restore(target, folder) == 0
    assert await rows(target) == await rows(source)
    files = target.files()
    found = await files.download(KEY, tmp_path / "photo")
    await files.close()
    assert (found.content_type, (tmp_path / "photo").read_bytes()) == ("image/webp", b"a photo")
    # Positions are of another event log than the new one.
    assert await target.database.owner.fetchval("SELECT count(*) FROM log_offsets") == 0
    with pytest.raises(NotEmpty, match="has tables"):
        await restore(target, folder)


async def test_a_backup_may_only_list_objects(source, tmp_path: Path):
    made = BackupFolder(tmp_path / "backup")
    with Progress(disable=True) as progress:
        await make_backup(source.settings, made, progress, objects=False, jobs=1)
    assert not made.manifest().has_objects
    assert [(entry.key, entry.size) for entry in made.objects()] == [(KEY, 7)]
    assert not made.object_path(KEY).exists()
    assert made.faults(lambda size: None) == []


async def test_a_prefix_that_has_data_is_refused(idle_cluster: Cluster, folder, target):
    key = f"{target.settings.prefix}:{{0}}:feed:1"
    await idle_cluster.stores.data_shards.call(0, "SET", key, "of an earlier database", "EX", 60)
    with pytest.raises(NotEmpty, match="choose a new DAIRA_PREFIX"):
        await restore(target, folder)
    assert await target.database.owner.fetchval("SELECT to_regclass('users')") is None


async def test_a_broken_backup_is_not_restored(folder, target, tmp_path: Path):
    path = folder.object_path(KEY)
    path.write_bytes(b"another")
    try:
        with pytest.raises(BackupBroken, match=r"has changed \(faults: 1\)"):
            await restore(target, folder)
    finally:
        path.write_bytes(b"a photo")
    assert await target.database.owner.fetchval("SELECT to_regclass('users')") is None


async def test_a_dump_that_fails_is_told_and_leaves_no_manifest(source, tmp_path: Path):
    program = tmp_path / "pg_dump"
    program.write_text("#!/bin/sh\necho 'pg_dump: error: server version mismatch' >&2\nexit 1\n")
    program.chmod(0o755)
    made = BackupFolder(tmp_path / "backup")
    settings = source.settings.model_copy(update={"postgres_programs": tmp_path})
    with Progress(disable=True) as progress, pytest.raises(DumpFailed, match=f"{program} failed: .* version mismatch"):
        await make_backup(settings, made, progress, objects=True, jobs=1)
    with pytest.raises(BackupBroken, match="was interrupted"):
        made.manifest()
