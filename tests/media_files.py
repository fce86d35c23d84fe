"""Files of users as the workers leave them: rows in any state, and small objects in the store."""

import json
from typing import Any

import aiohttp

from protocol.media import MediaFailed, MediaReady
from storage import media
from tests.cluster import Cluster
from tests.people import Person
from workers.media_pushes import MediaPush, push_media

IMAGE = ({"name": "w320", "file": "w320.webp"}, {"name": "w640", "file": "w640.webp"})
VIDEO = (
    {"name": "mp4", "file": "video.mp4", "content_type": "video/mp4"},
    {"name": "poster", "file": "poster.webp"},
    {"name": "hls", "file": "master.m3u8", "content_type": "application/vnd.apple.mpegurl"},
)
PLAYLISTS = ("master.m3u8", "720.m3u8", "720_00000.m4s")  # objects of a video beside its variants

_INSERT = """
    INSERT INTO media (id, owner_id, kind, status, content_type, filename, size_bytes, object_key, alt, width, height,
                       variants, error_code, error_text, expires_at)
    VALUES ($1, $2, $3, $4, 'image/png', 'x.png', 9, 'private/' || $1::bigint || '/secret/', $5, 640, 480, $6, $7, $8,
            now() + interval '1 day')
"""


async def add_file(
    cluster: Cluster, owner: Person, kind: str = "image", status: str = "ready", *, alt: str = "", stored: bool = False
) -> str:
    """A file that nothing uses yet. stored: with its objects. Returns its id."""
    media_id = cluster.stores.ids.mint()
    variants = variants_of(kind)
    failure = ("damaged", "The file is damaged.") if status == "failed" else (None, None)
    encoded = json.dumps(variants if status == "ready" else [])
    await ask(cluster, _INSERT, media_id, int(owner.id), kind, status, alt, encoded, *failure)
    if stored:
        await store(cluster, media_id, [each["file"] for each in variants] + [*(PLAYLISTS if kind == "video" else ())])
    return str(media_id)


def variants_of(kind: str) -> list[dict[str, Any]]:
    return [
        {"content_type": "image/webp", "width": int(each["name"][1:]) if each["name"][0] == "w" else 640,
         "height": 480, "size_bytes": 5, **each}
        for each in (IMAGE if kind == "image" else VIDEO)
    ]  # fmt: skip


async def finish(cluster: Cluster, media_id: str, push: MediaPush = MediaReady) -> None:
    """End the processing of a file as the workers do: publish its row, then push it."""
    async with cluster.worker_database.transaction() as tx:
        before = await media.load(tx, int(media_id))
        assert before is not None
        is_ready = push is not MediaFailed
        await tx.execute(
            "UPDATE media SET status = $2, variants = $3, error_code = $4, error_text = $5 WHERE id = $1",
            int(media_id),
            "ready" if is_ready else "failed",
            json.dumps(variants_of(before["kind"]) if is_ready else []),
            *((None, None) if is_ready else ("damaged", "The file is damaged.")),
        )
        row = await media.load(tx, int(media_id))
    assert row is not None
    await push_media(cluster.workers.tools, row, push, cause=push.event)


async def ask(cluster: Cluster, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
    """Run it as the owner of the tables. Returns its rows."""
    connection = await cluster.owner()
    try:
        return [tuple(row) for row in await connection.fetch(statement, *arguments)]
    finally:
        await connection.close()


async def store(cluster: Cluster, media_id: int, files: list[str]) -> None:
    """Put an object at each of these files: its content is the file's name."""
    objects = cluster.stores.objects
    for file in files:
        key = f"private/{media_id}/secret/{file}"
        await objects._client.put_object(Bucket=objects.bucket, Key=key, Body=file.encode())


async def fetch(url: str, *, method: str = "GET") -> tuple[int, str, Any]:
    """Return status, body and headers, without following redirects."""
    async with aiohttp.ClientSession() as session, session.request(method, url, allow_redirects=False) as answer:
        return answer.status, await answer.text(), answer.headers
