"""The lanes of media: from a completed upload to files that clients show, or to a reason."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from PIL import Image

from gateway.stores import open_stores
from media import processing
from media.scratch import PREFIX, Scratch
from storage import media, media_work
from storage.database import DatabaseUnavailable
from storage.media_work import MOST_ATTEMPTS
from tests.cluster import Cluster
from tests.faults import soon
from tests.media.cleanliness import metadata_in
from tests.media.corpus import CASES
from tests.media.films import make_film
from tests.people import Person
from tests.store_link import link_to
from tests.uploads import fetch, upload
from workers import media_attempts
from workers.media_attempts import Attempt
from workers.media_lanes import LANES, run_lane

TYPES = {"jpg": "image/jpeg", "gif": "image/gif", "png": "image/png", "mp4": "video/mp4", "mp3": "audio/mpeg"}


@asynccontextmanager
async def running_lanes(cluster: Cluster) -> AsyncIterator[None]:
    """All lanes run, as in a worker."""
    stop = asyncio.Event()
    url = cluster.servers.postgres_url("daira_worker")
    running = [asyncio.create_task(run_lane(cluster.workers.tools, name, url, stop)) for name in LANES]
    try:
        yield
    finally:
        stop.set()
        await asyncio.gather(*running)


@pytest_asyncio.fixture(loop_scope="session")
async def lanes(cluster: Cluster) -> AsyncIterator[None]:
    async with running_lanes(cluster):
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


async def send_file(person: Person, path: Path, **more: Any) -> str:
    """Upload a file. Returns its id."""
    content_type = TYPES[path.suffix[1:]]
    body = await asyncio.to_thread(path.read_bytes)
    return (await upload(person, body, filename=path.name, content_type=content_type, **more))["id"]


async def send_case(person: Person, files: Path, name: str) -> str:
    return await send_file(person, await asyncio.to_thread(CASES[name].write, files))


async def objects_of(cluster: Cluster, media_id: str) -> list[str]:
    """What follows the key of the file, without the names of attempts."""
    found = await cluster.stores.objects.page(f"private/{media_id}/")
    return sorted(each.key.rpartition("/")[2].rpartition("_")[2] for each in found)


async def change(cluster: Cluster, media_id: str, assignments: str) -> None:
    owner = await cluster.owner()
    await owner.execute(f"UPDATE media SET {assignments} WHERE id = $1", int(media_id))
    await owner.close()


async def row_of(cluster: Cluster, media_id: str) -> Any:
    owner = await cluster.owner()
    row = await owner.fetchrow("SELECT * FROM media WHERE id = $1", int(media_id))
    await owner.close()
    return row


async def take(
    cluster: Cluster, media_id: str, status: media_work.WorkStatus = "processing", lane: media.Lane = "quick"
) -> Any:
    """Lease this image. Files that other tests have left are out of the way."""
    owner = await cluster.owner()
    others = "UPDATE media SET due_at = now() + interval '1 h' WHERE lane IS NOT NULL AND id <> $1"
    await owner.execute(others, int(media_id))
    await owner.close()
    async with cluster.worker_database.transaction() as tx:
        return await media_work.take(tx, lane, status, "image")


async def test_image_is_ready_then_gets_avif_and_loses_what_was_uploaded(
    cluster: Cluster, person, lanes, files, tmp_path
):
    alice = await person("alice")
    media_id = await send_case(alice, files, "gps.jpg")
    ready = (await alice.expect("media.ready"))["media"]
    assert (ready["id"], ready["status"], ready["kind"]) == (media_id, "ready", "image")
    assert (ready["width"], ready["height"]) == (400, 300)
    assert ready["blurhash"]
    assert [(each["name"], each["content_type"]) for each in ready["variants"]] == [
        ("w400", "image/webp"),
        ("w320", "image/webp"),
    ]
    updated = (await alice.expect("media.updated"))["media"]
    assert [each["content_type"] for each in updated["variants"]] == ["image/webp"] * 2 + ["image/avif"] * 2
    for variant in updated["variants"]:
        status, content = await fetch(variant["url"])
        path = tmp_path / f"a.{variant['content_type'][6:]}"
        path.write_bytes(content)
        assert (status, metadata_in(path)) == (200, [])
        assert Image.open(BytesIO(content)).size == (variant["width"], variant["height"])
    wanted = ["w320.avif", "w320.webp", "w400.avif", "w400.webp"]
    assert await soon(lambda: objects_of(cluster, media_id), wanted) == wanted
    row = await row_of(cluster, media_id)
    assert (row["lane"], row["due_at"], row["started_at"], len(row["perceptual_hash"])) == (None, None, None, 8)


async def test_video_can_be_played_before_its_ladder_is_made(cluster: Cluster, person, lanes, tmp_path):
    alice = await person("alice")
    await send_file(alice, make_film(tmp_path / "a.mp4", size=(640, 480), seconds=3))
    ready = (await alice.expect("media.ready"))["media"]
    assert [each["name"] for each in ready["variants"]] == ["mp4"]
    assert ready["poster_url"]
    assert ready["hls_url"] is None
    assert ready["duration_ms"] == pytest.approx(3_000, abs=100)
    updated = (await alice.expect("media.updated"))["media"]
    master = cluster.url() + updated["hls_url"]
    async with ClientSession() as session:
        async with session.get(master) as answer:
            rungs = [line for line in (await answer.text()).splitlines() if not line.startswith("#")]
        assert len(rungs) == 2
        for rung in rungs:
            async with session.get(f"{master.rpartition('/')[0]}/{rung}") as answer:
                playlist = await answer.text()
            segment = next(line for line in playlist.splitlines() if not line.startswith("#"))
            async with session.get(f"{master.rpartition('/')[0]}/{segment}") as answer:
                content = await answer.read()
            assert content[4:8] in (b"styp", b"moof")


async def test_animation_gets_a_mute_video(cluster: Cluster, person, lanes, files):
    alice = await person("alice")
    await send_case(alice, files, "moving.gif")
    assert (await alice.expect("media.ready"))["media"]["duration_ms"] is None
    updated = (await alice.expect("media.updated"))["media"]
    assert updated["variants"][-1]["name"] == "animation"
    assert updated["duration_ms"] == 720


async def test_sound_has_a_waveform_and_no_second_step(cluster: Cluster, person, lanes, files):
    alice = await person("alice")
    media_id = await send_case(alice, files, "song.mp3")
    ready = (await alice.expect("media.ready"))["media"]
    assert 0 < len(ready["waveform"]) <= 100
    assert await soon(lambda: objects_of(cluster, media_id), ["sound.m4a"]) == ["sound.m4a"]


async def test_progress_is_pushed_to_the_owner(cluster: Cluster, person, lanes, tmp_path):
    alice = await person("alice")
    path = make_film(tmp_path / "a.mp4", size=(1_280, 720), seconds=8, rate=30, pixels="yuv444p")
    media_id = await send_file(alice, path)
    progressed = await alice.expect("media.progressed")
    assert progressed["media_id"] == media_id
    assert 0 < progressed["percent"] < 100


@pytest.mark.parametrize(
    ("name", "code"),
    [("bomb.png", "too_large"), ("cut.mp4", "damaged"), ("thousands.gif", "too_long"), ("noise.mp3", "damaged")],
)
async def test_file_that_cannot_be_processed_fails_and_leaves_nothing(
    cluster: Cluster, person, lanes, files, name, code
):
    alice = await person("alice")
    media_id = await send_case(alice, files, name)
    failed = (await alice.expect("media.failed"))["media"]
    assert (failed["id"], failed["status"], failed["variants"]) == (media_id, "failed", [])
    assert failed["error"]["code"] == code
    assert failed["error"]["message"].endswith(".")
    assert await soon(lambda: objects_of(cluster, media_id), []) == []


async def test_many_mixed_files_all_end(cluster: Cluster, person, lanes, files):
    alice = await person("alice")
    names = ["gps.jpg", "cut-gps.jpg", "phone.mp4", "song.mp3", "moving.gif", "cut.mp4", "gps.png", "noise.mp3"]
    ids = await asyncio.gather(*(send_case(alice, files, name) for name in names))

    async def ended() -> set[str]:
        shown = await asyncio.gather(*(alice.call("media.get", media_id=media_id) for media_id in ids))
        return {each["status"] for each in shown}

    assert await soon(ended, {"ready", "failed"}) == {"ready", "failed"}


async def test_other_content_than_announced_fails(cluster: Cluster, person, lanes, files):
    alice = await person("alice")
    body = (await asyncio.to_thread(CASES["gps.jpg"].write, files)).read_bytes()
    other = hashlib.sha256(b"other").hexdigest()
    await upload(alice, body, filename="a.jpg", content_type="image/jpeg", sha256=other)
    assert (await alice.expect("media.failed"))["media"]["error"]["code"] == "wrong_sha256"


async def test_video_longer_than_the_quota_fails(cluster: Cluster, person, lanes, files, monkeypatch):
    alice = await person("alice")
    object.__setattr__(cluster.workers.tools, "video_quota_ms", 500)
    try:
        await send_case(alice, files, "phone.mp4")
        assert (await alice.expect("media.failed"))["media"]["error"]["code"] == "quota"
    finally:
        object.__setattr__(cluster.workers.tools, "video_quota_ms", 36_000_000)


# ------------------------------------------------------------------------------------------------ leases


async def test_file_of_a_worker_that_died_is_processed_by_another(cluster: Cluster, person, files):
    alice = await person("alice")
    media_id = await send_case(alice, files, "gps.jpg")
    dead = await take(cluster, media_id)
    assert (str(dead.id), dead.attempts) == (media_id, 1)
    assert await take(cluster, media_id) is None, "it is leased"
    # What the dead worker had stored.
    left = dead.object_key + "00000000_w400.webp"
    await cluster.stores.object_files.upload(files / "gps.jpg", left, "image/webp")
    await change(cluster, media_id, "due_at = now()")
    async with running_lanes(cluster):
        await alice.expect("media.ready")
    found = await cluster.stores.objects.page(dead.object_key)
    assert left not in [each.key for each in found]


async def test_worker_that_lost_its_lease_publishes_nothing(cluster: Cluster, person, files, tmp_path):
    alice = await person("alice")
    media_id = await send_case(alice, files, "gps.jpg")
    late = await take(cluster, media_id)
    await change(cluster, media_id, "due_at = now()")
    current = await take(cluster, media_id)
    assert current.attempts == 2
    scratch = Scratch(str(tmp_path))
    await Attempt(cluster.workers.tools, scratch, late).run()
    assert await objects_of(cluster, media_id) == ["original"]
    assert (await row_of(cluster, media_id))["status"] == "processing"
    await Attempt(cluster.workers.tools, scratch, current).run()
    scratch.close()
    await alice.expect("media.ready")


async def test_file_that_ends_workers_fails_after_some_attempts(cluster: Cluster, person, files):
    alice = await person("alice")
    media_id = await send_case(alice, files, "gps.jpg")
    for attempt in range(MOST_ATTEMPTS):
        assert (await take(cluster, media_id)).attempts == attempt + 1
        await change(cluster, media_id, "due_at = now()")
    async with running_lanes(cluster):
        assert (await alice.expect("media.failed"))["media"]["error"]["code"] == "gave_up"


async def test_file_that_is_too_slow_is_started_again_once(cluster: Cluster, person, files, tmp_path, monkeypatch):
    alice = await person("alice")
    media_id = await send_case(alice, files, "gps.jpg")
    monkeypatch.setattr(processing, "PATIENCE", 0)
    scratch = Scratch(str(tmp_path))
    await Attempt(cluster.workers.tools, scratch, await take(cluster, media_id)).run()
    row = await row_of(cluster, media_id)
    assert (row["status"], row["attempts"], row["started_at"]) == ("processing", 1, None)
    await Attempt(cluster.workers.tools, scratch, await take(cluster, media_id)).run()
    scratch.close()
    assert (await alice.expect("media.failed"))["media"]["error"]["code"] == "too_slow"


async def test_second_step_that_fails_leaves_the_file_as_it_is(cluster: Cluster, person, files, tmp_path, monkeypatch):
    alice = await person("alice")
    media_id = await send_case(alice, files, "gps.jpg")
    scratch = Scratch(str(tmp_path))
    await Attempt(cluster.workers.tools, scratch, await take(cluster, media_id)).run()
    ready = (await alice.expect("media.ready"))["media"]
    monkeypatch.setattr(processing, "PATIENCE", 0)
    for _ in range(2):
        work = await take(cluster, media_id, "ready", "bulk")
        await Attempt(cluster.workers.tools, scratch, work).run()
    scratch.close()
    row = await row_of(cluster, media_id)
    assert (row["status"], row["lane"]) == ("ready", None)
    shown = await alice.call("media.get", media_id=media_id)
    assert [each["name"] for each in shown["variants"]] == [each["name"] for each in ready["variants"]]
    assert await soon(lambda: objects_of(cluster, media_id), ["w320.webp", "w400.webp"]) == ["w320.webp", "w400.webp"]


async def test_worker_that_stops_gives_its_file_back(cluster: Cluster, person, files, tmp_path):
    alice = await person("alice")
    media_id = await send_case(alice, files, "gps.jpg")
    scratch = Scratch(str(tmp_path))
    running = asyncio.create_task(Attempt(cluster.workers.tools, scratch, await take(cluster, media_id)).run())
    await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    scratch.close()
    row = await row_of(cluster, media_id)
    assert (row["status"], row["attempts"], row["started_at"]) == ("processing", 0, None)
    assert (await take(cluster, media_id)).attempts == 1


async def test_file_waits_for_the_store_and_no_attempt_is_counted(cluster: Cluster, person, files, tmp_path):
    alice = await person("alice")
    media_id = await send_case(alice, files, "gps.jpg")
    scratch = Scratch(str(tmp_path))
    async with link_to(cluster.servers.s3_port) as link:
        servers = cluster.servers
        keys = {"s3_access_key": servers.s3_access_key, "s3_secret_key": servers.s3_secret_key}
        async with open_stores(cluster.settings(s3_endpoint=link.url, **keys)) as stores:
            tools = replace(cluster.workers.tools, objects=stores.objects, object_files=stores.object_files)
            await link.close()
            await Attempt(tools, scratch, await take(cluster, media_id)).run()
            row = await row_of(cluster, media_id)
            assert (row["status"], row["attempts"], row["started_at"]) == ("processing", 0, None)
            assert row["due_at"] > datetime.now(UTC)
            await link.open()
            await change(cluster, media_id, "due_at = now()")
            await Attempt(cluster.workers.tools, scratch, await take(cluster, media_id)).run()
    scratch.close()
    await alice.expect("media.ready")


async def test_file_waits_for_space_and_no_attempt_is_counted(cluster: Cluster, person, files, tmp_path, monkeypatch):
    alice = await person("alice")
    media_id = await send_case(alice, files, "gps.jpg")
    scratch = Scratch(str(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(media_attempts, "SOURCE", "/dev/full")  # a disk without space
        await Attempt(cluster.workers.tools, scratch, await take(cluster, media_id)).run()
    row = await row_of(cluster, media_id)
    assert (row["status"], row["attempts"], row["started_at"]) == ("processing", 0, None)
    await change(cluster, media_id, "due_at = now()")
    await Attempt(cluster.workers.tools, scratch, await take(cluster, media_id)).run()
    scratch.close()
    await alice.expect("media.ready")


async def test_commit_whose_answer_is_lost_keeps_its_objects(cluster: Cluster, person, files, tmp_path, monkeypatch):
    alice = await person("alice")
    media_id = await send_case(alice, files, "gps.jpg")
    publish = Attempt._publish

    async def publish_without_answer(attempt, processed):
        await publish(attempt, processed)
        raise DatabaseUnavailable("the connection broke")

    scratch = Scratch(str(tmp_path))
    monkeypatch.setattr(Attempt, "_publish", publish_without_answer)
    await Attempt(cluster.workers.tools, scratch, await take(cluster, media_id)).run()
    scratch.close()
    shown = await alice.call("media.get", media_id=media_id)
    assert [(await fetch(each["url"]))[0] for each in shown["variants"]] == [200, 200]


async def test_second_step_that_ends_workers_leaves_no_objects(cluster: Cluster, person, files, tmp_path):
    alice = await person("alice")
    media_id = await send_case(alice, files, "gps.jpg")
    scratch = Scratch(str(tmp_path))
    await Attempt(cluster.workers.tools, scratch, await take(cluster, media_id)).run()
    for _ in range(MOST_ATTEMPTS):
        dead = await take(cluster, media_id, "ready", "bulk")
        await change(cluster, media_id, "due_at = now()")
    await cluster.stores.object_files.upload(files / "gps.jpg", dead.object_key + "00000000_w400.avif", "image/avif")
    await Attempt(cluster.workers.tools, scratch, await take(cluster, media_id, "ready", "bulk")).run()
    scratch.close()
    assert (await row_of(cluster, media_id))["lane"] is None
    assert await soon(lambda: objects_of(cluster, media_id), ["w320.webp", "w400.webp"]) == ["w320.webp", "w400.webp"]


async def test_scratch_of_a_process_that_was_killed_is_removed(tmp_path: Path) -> None:
    left, alive = tmp_path / f"{PREFIX}dead", Scratch(str(tmp_path))
    left.mkdir()
    (left / "lock").touch()
    (left / "film.mp4").touch()
    scratch = Scratch(str(tmp_path))
    assert not left.exists()
    async with alive.folder() as folder:
        assert folder.is_dir()
    assert not folder.exists()
    for each in (scratch, alive):
        each.close()
    assert os.listdir(tmp_path) == []
