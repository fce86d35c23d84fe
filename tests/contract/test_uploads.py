"""Uploads: by plain HTTP to signed URLs, resumed, checked by the file's bytes, and refused where they lie."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from domain.upload_rules import PART_BYTES
from storage import media
from storage.object_urls import ObjectUrls
from tests.cluster import Cluster
from tests.faults import soon
from tests.store_link import link_to
from tests.uploads import begin, fetch, mp4, png, put, send, upload

FILM = {"filename": "film.mp4", "content_type": "video/mp4", "duration_ms": 5_000}
METHODS: dict[str, dict[str, object]] = {
    "media.get": {},
    "media.parts": {},
    "media.renew_upload": {"part_numbers": [1]},
    "media.complete_upload": {},
    "media.abort_upload": {},
}


async def keys(cluster: Cluster, media_id: str) -> list[str]:
    """The keys of the file's objects."""
    return [each.key for each in await cluster.stores.objects.page(f"private/{media_id}/")]


async def place(cluster: Cluster, media_id: str) -> tuple[str, str]:
    """The key of what was uploaded, and the id of its multipart upload."""
    owner = await cluster.owner()
    row = await owner.fetchrow("SELECT object_key, upload_id FROM media WHERE id = $1", int(media_id))
    await owner.close()
    return row["object_key"] + "original", row["upload_id"]


@pytest.mark.parametrize("kind", ["python-msgpack", "js-json"])
async def test_a_file_is_uploaded_in_one_part(cluster: Cluster, person, kind):
    alice, eve = await person("alice", kind=kind), await person("eve", node="b")
    body = png(5_000)
    begun = await begin(alice, body, alt="a cat", is_sensitive=True)
    [part] = begun["parts"]
    assert (part["part_number"], part["method"], part["size_bytes"]) == (1, "PUT", 5_000)
    assert part["headers"] == {"content-type": "image/png"}
    media_id = begun["media_id"]
    fresh = await alice.call("media.get", media_id=media_id)
    assert (fresh["status"], fresh["kind"], fresh["alt"], fresh["is_sensitive"]) == (
        "uploading",
        "image",
        "a cat",
        True,
    )
    await send(begun, body)
    for method, more in METHODS.items():
        assert (await eve.refused(method, media_id=media_id, **more)).code == "NOT_FOUND", method
    done = await alice.call("media.complete_upload", media_id=media_id)
    assert done["id"] == media_id
    assert done["status"] != "uploading"
    assert (await eve.refused("media.get", media_id=media_id)).code == "NOT_FOUND"
    key, _ = await place(cluster, media_id)
    assert await fetch(cluster.stores.object_urls.read_url(key)) == (200, body)


async def test_an_upload_resumes_on_another_node_and_client(cluster: Cluster, person, node):
    first = await node()
    alice = await person("alice", node=first)
    body = mp4(PART_BYTES + 3_000_000)
    begun = await begin(alice, body, **FILM)
    assert [part["size_bytes"] for part in begun["parts"]] == [PART_BYTES, 3_000_000]
    media_id = begun["media_id"]
    assert (await put(begun["parts"][0], body[:PART_BYTES]))[0] == 200
    await cluster.nodes[first].stop()
    again = await cluster.again(alice, node="b")
    stored = await again.call("media.parts", media_id=media_id)
    assert (stored["part_count"], stored["part_size_bytes"]) == (2, PART_BYTES)
    assert [(part["part_number"], part["size_bytes"]) for part in stored["items"]] == [(1, PART_BYTES)]
    failed = await again.refused("media.complete_upload", media_id=media_id)
    assert (failed.code, "part 2" in str(failed)) == ("FAILED_PRECONDITION", True)
    renewed = await again.call("media.renew_upload", media_id=media_id, part_numbers=[2, 2])
    [last] = await send({"parts": renewed["parts"]}, body[PART_BYTES:])
    parts = [{"part_number": 1, "etag": stored["items"][0]["etag"]}, last]
    wrong = [parts[0], {"part_number": 2, "etag": "0" * 32}]
    refused = await again.refused("media.complete_upload", media_id=media_id, parts=wrong)
    assert (refused.code, refused.fields) == ("INVALID_ARGUMENT", ["parts[1].etag"])
    await again.call("media.complete_upload", media_id=media_id, parts=parts)
    key, _ = await place(cluster, media_id)
    assert await fetch(cluster.stores.object_urls.read_url(key)) == (200, body)
    refused = await again.refused("media.renew_upload", media_id=media_id, part_numbers=[1])
    assert refused.code == "FAILED_PRECONDITION"


async def test_parts_of_another_length_or_type_are_refused_by_the_store(cluster: Cluster, person):
    alice = await person("alice")
    body = png(5_000)
    begun = await begin(alice, body)
    [part] = begun["parts"]
    assert (await put(part, body[:-1]))[0] == 403
    assert (await put(part, body + b"x"))[0] == 403
    assert (await put(part, body, **{"content-type": "text/html"}))[0] == 403
    foreign = {**part, "url": part["url"].replace("original", "other")}
    assert (await put(foreign, body))[0] == 403
    assert (await alice.call("media.parts", media_id=begun["media_id"]))["items"] == []


async def test_urls_expire(cluster: Cluster, person, monkeypatch):
    alice = await person("alice")
    urls = cluster.node_a.parts.services.object_urls
    body = png(5_000)
    with monkeypatch.context() as patched:
        patched.setattr(urls, "_now", lambda: datetime.now(UTC) - timedelta(minutes=11))
        begun = await begin(alice, body)
    status, error = await put(begun["parts"][0], body)
    assert status in (400, 403), error  # stores differ
    assert (await alice.call("media.parts", media_id=begun["media_id"]))["items"] == []
    renewed = await alice.call("media.renew_upload", media_id=begun["media_id"], part_numbers=[1])
    await send(renewed, body)
    await alice.call("media.complete_upload", media_id=begun["media_id"])


async def test_a_url_that_is_used_after_completion_replaces_nothing(cluster: Cluster, person):
    alice = await person("alice")
    body = png(5_000)
    begun = await begin(alice, body)
    await send(begun, body)
    await alice.call("media.complete_upload", media_id=begun["media_id"])
    status, error = await put(begun["parts"][0], b"MZ" + body[2:])
    assert (status, "NoSuchUpload" in error) == (404, True)
    key, _ = await place(cluster, begun["media_id"])
    assert await fetch(cluster.stores.object_urls.read_url(key)) == (200, body)


@pytest.mark.parametrize(
    ("body", "content_type", "what"),
    [
        (b"MZ\x90\0" + bytes(100), "image/jpeg", "a Windows program"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'></svg>", "image/png", "an SVG image"),
        (png(100), "image/jpeg", "a PNG image"),
        (png(100), "video/mp4", "a PNG image"),
        (b"#EXTM3U\nhttp://127.0.0.1/", "video/mp4", "a playlist"),
    ],
)
async def test_a_file_that_lies_about_its_type_is_named_and_deleted(cluster: Cluster, person, body, content_type, what):
    alice = await person("alice")
    begun = await begin(alice, body, content_type=content_type)
    await send(begun, body)
    for _ in range(2):
        failed = await alice.refused("media.complete_upload", media_id=begun["media_id"])
        assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["content_type"])
        assert what in str(failed)
    shown = await alice.call("media.get", media_id=begun["media_id"])
    assert (shown["status"], shown["error"]["code"]) == ("failed", "type")
    assert await soon(lambda: keys(cluster, begun["media_id"]), []) == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"size_bytes": 10_000_001}, "size_bytes"),
        ({"size_bytes": 0}, "size_bytes"),
        ({"content_type": "image/svg+xml"}, "content_type"),
        ({"content_type": "text/html"}, "content_type"),
        ({"content_type": "video/mp4", "size_bytes": 500_000_001}, "size_bytes"),
        ({"content_type": "audio/mpeg", "size_bytes": 50_000_001}, "size_bytes"),
        ({"filename": ""}, "filename"),
        ({"sha256": "abc"}, "sha256"),
        ({"alt": "x" * 1_501}, "alt"),
        ({"duration_ms": -1}, "duration_ms"),
    ],
)
async def test_what_may_not_be_uploaded_is_refused_at_once(cluster: Cluster, person, fields, field):
    alice = await person("alice")
    valid = {"filename": "x", "content_type": "image/png", "size_bytes": 10}
    failed = await alice.refused("media.create_upload", **{**valid, **fields})
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", [field])


async def test_urls_name_the_endpoint_that_clients_reach(cluster: Cluster, person, node):
    async with link_to(cluster.servers.s3_port) as link:
        alice = await person("alice", node=await node(s3_public_endpoint=link.url))
        begun = await begin(alice, png(100))
        assert begun["parts"][0]["url"].startswith(f"{link.url}/")
        await send(begun, png(100))
        await alice.call("media.complete_upload", media_id=begun["media_id"])


async def test_a_user_has_a_quota_of_bytes_and_of_video(cluster: Cluster, person, node):
    small = await node(media_quota_mb=0.00001, media_quota_video=6)
    alice, bob = await person("alice", node=small), await person("bob", node=small)
    begun = await begin(alice, bytes(6))
    failed = await alice.refused("media.create_upload", filename="x", content_type="image/png", size_bytes=5)
    assert failed.code == "RESOURCE_EXHAUSTED"
    await begin(bob, bytes(6))
    store = cluster.stores.objects
    waiting = await store._client.list_multipart_uploads(Bucket=store.bucket, Prefix="private/")
    owner = await cluster.owner()
    known = {row["upload_id"] for row in await owner.fetch("SELECT upload_id FROM media")}
    await owner.close()
    assert {each["UploadId"] for each in waiting.get("Uploads", ())} <= known  # what was refused left none
    await alice.call("media.abort_upload", media_id=begun["media_id"])
    outcomes = await asyncio.gather(*(begin(alice, bytes(5)) for _ in range(4)), return_exceptions=True)
    assert sorted(getattr(outcome, "code", "OK") for outcome in outcomes) == ["OK", "OK", *["RESOURCE_EXHAUSTED"] * 2]
    await begin(bob, bytes(1), **FILM)
    failed = await bob.refused("media.create_upload", **FILM, size_bytes=1)
    assert (failed.code, "seconds" in str(failed)) == ("RESOURCE_EXHAUSTED", True)


async def test_a_key_begins_one_upload(cluster: Cluster, person):
    alice = await person("alice", node="a")
    other = await cluster.again(alice, node="b")
    body = png(100)
    answers = await asyncio.gather(*(begin(who, body, idempotency_key="k") for who in (alice, other, alice, other)))
    assert all(answer == answers[0] for answer in answers)
    assert await begin(alice, body, idempotency_key="k") == answers[0]
    failed = await alice.refused(
        "media.create_upload", filename="dog.png", content_type="image/png", size_bytes=100, idempotency_key="k"
    )
    assert failed.code == "ALREADY_EXISTS"
    await send(answers[0], body)
    await alice.call("media.complete_upload", media_id=answers[0]["media_id"])


async def test_an_upload_that_the_store_has_lost_begins_again(cluster: Cluster, person):
    alice = await person("alice")
    body = png(100)
    begun = await begin(alice, body)
    await send(begun, body)
    await cluster.stores.objects.abort_upload(*await place(cluster, begun["media_id"]))
    assert (await alice.call("media.parts", media_id=begun["media_id"]))["items"] == []
    failed = await alice.refused("media.complete_upload", media_id=begun["media_id"])
    assert failed.code == "FAILED_PRECONDITION"
    renewed = await alice.call("media.renew_upload", media_id=begun["media_id"], part_numbers=[1])
    await send(renewed, body)
    await alice.call("media.complete_upload", media_id=begun["media_id"])


async def test_a_completion_that_was_cut_off_goes_on(cluster: Cluster, person):
    """The node died after the store had put the parts together."""
    alice = await person("alice")
    body = png(100)
    begun = await begin(alice, body)
    await send(begun, body)
    objects, where = cluster.stores.objects, await place(cluster, begun["media_id"])
    await objects.finish_upload(*where, await objects.parts(*where))
    assert [part["size_bytes"] for part in (await alice.call("media.parts", media_id=begun["media_id"]))["items"]] == [
        100
    ]
    failed = await alice.refused("media.renew_upload", media_id=begun["media_id"], part_numbers=[1])
    assert failed.code == "FAILED_PRECONDITION"
    done = await asyncio.gather(*(alice.call("media.complete_upload", media_id=begun["media_id"]) for _ in range(3)))
    assert all(file["status"] != "uploading" for file in done)


async def test_an_aborted_file_leaves_nothing(cluster: Cluster, person):
    alice = await person("alice")
    for has_bytes in (False, True):
        body = png(100)
        begun = await begin(alice, body)
        if has_bytes:
            await send(begun, body)
            await alice.call("media.complete_upload", media_id=begun["media_id"])
        for _ in range(2):
            gone = await alice.call("media.abort_upload", media_id=begun["media_id"])
            assert (gone["status"], gone["error"]["code"]) == ("failed", "aborted")
        assert (await alice.refused("media.parts", media_id=begun["media_id"])).code == "FAILED_PRECONDITION"
        assert await soon(lambda media_id=begun["media_id"]: keys(cluster, media_id), []) == []
        assert await soon(lambda part=begun["parts"][0]: _is_refused(part), True)
    assert (await alice.refused("media.abort_upload", media_id="1")).code == "NOT_FOUND"


async def _is_refused(part) -> bool:
    return (await put(part, png(100)))[0] == 404


async def test_objects_are_deleted_with_what_uses_them(cluster: Cluster, person):
    alice = await person("alice")
    post = await alice.call("post.create", text="with a picture")
    file = await upload(alice, png(100))
    connection = await cluster.as_app(alice.id)
    used = await connection.fetchval("SELECT use_media($1, 'post', $2)", [int(file["id"])], int(post["id"]))
    await connection.close()
    assert used == []
    failed = await alice.refused("media.abort_upload", media_id=file["id"])
    assert failed.code == "FAILED_PRECONDITION"
    assert await keys(cluster, file["id"]) != []
    await alice.call("post.delete", post_id=post["id"])
    assert (await alice.refused("media.get", media_id=file["id"])).code == "NOT_FOUND"
    assert await soon(lambda: keys(cluster, file["id"]), []) == []


async def test_a_file_is_shown_to_those_who_see_what_uses_it(cluster: Cluster, person):
    alice, bob, eve = await person("alice"), await person("bob"), await person("eve", node="b")
    await bob.call("graph.follow", user_id=alice.id)
    post = await alice.call("post.create", text="with a picture", visibility="followers")
    file = await upload(alice, png(100))
    connection = await cluster.as_app(alice.id)
    await connection.execute("SELECT use_media($1, 'post', $2)", [int(file["id"])], int(post["id"]))
    await connection.close()
    assert (await bob.call("media.get", media_id=file["id"]))["id"] == file["id"]
    assert (await eve.refused("media.get", media_id=file["id"])).code == "NOT_FOUND"
    for method, more in list(METHODS.items())[1:]:
        assert (await bob.refused(method, media_id=file["id"], **more)).code == "NOT_FOUND", method
    await alice.call("graph.block", user_id=bob.id)
    assert (await bob.refused("media.get", media_id=file["id"])).code == "NOT_FOUND"


def test_urls_to_read_are_the_same_for_some_minutes(cluster: Cluster):
    times = [datetime(2026, 1, 1, 12, 0, 10, tzinfo=UTC)]
    urls = ObjectUrls(cluster.stores.object_urls._signer, lambda: times[0])
    first, expiry = urls.read_url("private/1/x/a"), urls.reads_expire_at()
    times[0] += timedelta(minutes=4)
    assert (urls.read_url("private/1/x/a"), urls.reads_expire_at()) == (first, expiry)
    assert urls.read_url("private/1/x/b") != first
    assert expiry - times[0] >= timedelta(minutes=5)
    times[0] += timedelta(minutes=1)
    assert urls.read_url("private/1/x/a") != first


async def test_what_nobody_finishes_or_uses_is_swept(cluster: Cluster, person):
    alice = await person("alice")
    begun, unused, kept = await begin(alice, png(100)), await upload(alice, png(100)), await begin(alice, png(100))
    owner = await cluster.owner()
    old = [int(begun["media_id"]), int(unused["id"])]
    await owner.execute("UPDATE media SET expires_at = now() - interval '1 s' WHERE id = ANY ($1)", old)
    async with cluster.worker_database.transaction() as tx:
        assert await media.sweep(tx, 200) >= 2
    assert await owner.fetchval("SELECT count(*) FROM media WHERE id = ANY ($1)", old) == 0
    await owner.close()
    cluster.workers.tools.outbox.wake_relay()
    assert await soon(lambda: _is_refused(begun["parts"][0]), True)
    assert await soon(lambda: keys(cluster, unused["id"]), []) == []
    await send(kept, png(100))
