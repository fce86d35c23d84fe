"""The object store: its bucket, whole objects, beginnings of objects, pages of keys, signed URLs."""

import asyncio
import hashlib
import traceback
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from storage.bucket import Bucket
from storage.object_files import ObjectFiles
from storage.objects import NoSuchObject, NotSupported, Objects, ObjectsUnavailable, Part
from storage.signed_urls import LIFETIME_S, UrlSigner
from tests.cluster import Cluster
from tests.uploads import fetch


async def test_a_bucket_is_created_once_and_reused(cluster: Cluster):
    objects = Objects(cluster.settings(s3_bucket="test-bucket").bucket)
    await objects.connect()
    with pytest.raises(ObjectsUnavailable):
        await objects.ping()
    await objects.ensure_bucket()
    await objects.ensure_bucket()
    await objects.ping()
    await objects.close()


async def test_wrong_keys_are_reported(cluster: Cluster):
    endpoint, access_key, *_ = cluster.settings().bucket
    objects = Objects(Bucket(endpoint, access_key, "wrong" * 8, "test-bucket", "us-east-1"))
    await objects.connect()
    with pytest.raises(ObjectsUnavailable):
        await objects.ensure_bucket()
    await objects.close()


async def test_a_store_that_has_no_rules_for_buckets_is_told_from_one_that_is_down(cluster: Cluster):
    objects = cluster.stores.objects
    assert not await objects.let_browsers_in(["https://example.org"])
    assert not await objects.expire_unfinished_uploads(7)
    await objects.ping()
    assert issubclass(NotSupported, ObjectsUnavailable)


async def test_pages_of_all_origins_read_and_those_of_the_app_upload():
    """The embedded store takes no rules: this server takes them as others do, and shows what was asked."""
    bodies: list[bytes] = []

    async def take(request: web.Request) -> web.Response:
        assert (request.method, request.query_string) == ("PUT", "cors")
        bodies.append(await request.read())
        return web.Response()

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    async with TestServer(app) as server:
        objects = Objects(Bucket(str(server.make_url("")), "key", "secret", "test-bucket", "us-east-1"))
        await objects.connect()
        assert await objects.let_browsers_in(["https://a.example.org", "https://b.example.org"])
        await objects.close()
    rules = [
        [{part.text for part in rule.iter() if part.tag.endswith(name)} for name in ("AllowedMethod", "AllowedOrigin")]
        for rule in ElementTree.fromstring(bodies[0])
    ]
    assert rules == [[{"PUT"}, {"https://a.example.org", "https://b.example.org"}], [{"GET", "HEAD"}, {"*"}]]


async def test_whole_objects_go_to_files_and_back(cluster: Cluster, tmp_path):
    files, key = cluster.stores.object_files, f"private/{cluster.unique('x')}/a folder/ü.webp"
    source, target = tmp_path / "source", tmp_path / "target"
    content = bytes(range(256)) * 20_000
    source.write_bytes(content)
    await files.upload(source, key, "image/webp")
    assert (await files.download(key, target)).sha256 == hashlib.sha256(content).digest()
    assert target.read_bytes() == content
    assert await fetch(cluster.stores.object_urls.read_url(key)) == (200, content)
    with pytest.raises(NoSuchObject):
        await files.download(key + "x", target)


async def test_errors_do_not_hold_the_signed_url(tmp_path):
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"no HTTP\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1")
    endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    files = ObjectFiles(UrlSigner(Bucket(endpoint, "id", "secret", "bucket", "us-east-1")))
    with pytest.raises(ObjectsUnavailable) as caught:
        await files.download("private/1/key/original", tmp_path / "file")
    await files.close()
    server.close()
    shown = "".join(traceback.format_exception(caught.value))
    assert "X-Amz-Signature" not in shown


async def test_the_beginning_of_an_object(cluster: Cluster, tmp_path):
    objects, key = cluster.stores.objects, f"private/{cluster.unique('x')}/original"
    source = tmp_path / "source"
    source.write_bytes(b"0123456789" * 1_000)
    await cluster.stores.object_files.upload(source, key, "text/plain")
    head = await objects.head(key, 15)
    assert (head.content, head.size) == (b"012345678901234", 10_000)
    assert (await objects.head(key, 20_000)).content == source.read_bytes()
    with pytest.raises(NoSuchObject):
        await objects.head(key + "x", 15)


async def test_objects_below_a_prefix_are_listed_and_deleted(cluster: Cluster, tmp_path, monkeypatch):
    monkeypatch.setattr("storage.objects.PAGE", 3)
    objects, prefix = cluster.stores.objects, f"private/{cluster.unique('x')}/"
    source = tmp_path / "source"
    source.write_bytes(b"x")
    names = [f"{prefix}{number}" for number in range(7)]
    put = cluster.stores.object_files.upload
    await asyncio.gather(*(put(source, name, "text/plain") for name in (*names, prefix[:-1] + "y/0")))
    pages = [await objects.page(prefix), await objects.page(prefix, names[2]), await objects.page(prefix, names[6])]
    assert [[each.key for each in page] for page in pages] == [names[:3], names[3:6], []]
    assert await objects.delete_below(prefix) == 7
    assert await objects.delete_below(prefix) == 0
    assert len(await objects.page(prefix[:-1] + "y/")) == 1
    await objects.delete([names[0]])  # it is gone already


async def test_an_upload_ends_once(cluster: Cluster):
    objects, key = cluster.stores.objects, f"private/{cluster.unique('x')}/original"
    upload_id = await objects.begin_upload(key, "text/plain")
    assert await objects.parts(key, upload_id) == []
    for _ in range(2):
        await objects.abort_upload(key, upload_id)
    for ended in (objects.parts(key, upload_id), objects.finish_upload(key, upload_id, [Part(1, "x", 1)])):
        with pytest.raises(NoSuchObject):
            await ended


@pytest.mark.parametrize("key", ["private/1/x/original", "private/1/x y/ü+~&.webp"])
def test_urls_are_signed_as_botocore_signs_them(key: str):
    at = datetime(2026, 3, 1, 12, 30, 5, tzinfo=UTC)
    url = UrlSigner(Bucket("https://s3.example.org", "access", "secret", "bucket", "eu-south-1")).sign("GET", key, at)
    unsigned = url.partition("?")[0]
    request = AWSRequest("GET", unsigned)
    request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
    auth = S3SigV4QueryAuth(Credentials("access", "secret"), "s3", "eu-south-1", expires=LIFETIME_S)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("botocore.auth.get_current_datetime", lambda *_, **__: at.replace(tzinfo=None), raising=False)
        auth.add_auth(request)
    assert url.rpartition("X-Amz-Signature=")[2] == request.url.rpartition("X-Amz-Signature=")[2]
