"""A picture on its whole way: uploaded, used, processed by the lanes, pushed to its readers, and shown."""

from io import BytesIO
from typing import Any

import pytest
from aiohttp import ClientSession
from PIL import Image

from tests.cluster import Cluster
from tests.contract.test_chats import create_group
from tests.people import Person
from tests.uploads import fetch, upload
from tests.workers.test_media_lanes import running_lanes


def picture() -> bytes:
    content = BytesIO()
    Image.new("RGB", (64, 48), "green").save(content, "PNG")
    return content.getvalue()


def size_of(content: bytes) -> tuple[str | None, tuple[int, int]]:
    image = Image.open(BytesIO(content))
    return image.format, image.size


async def write(author: Person, reader: Person, what: str, media_ids: list[str]) -> Any:
    """Write it so that its reader gets pushes about it. Returns it as it was answered."""
    if what == "message":
        chat_id = await create_group(author, reader)
        return await author.call("chat.send", chat_id=chat_id, text="", media_ids=media_ids)
    used_in_post = media_ids if what == "post" else []
    post = await author.call("post.create", text="x", media_ids=used_in_post)
    await reader.call("post.watch", post_id=post["id"])
    if what == "post":
        return post
    return await author.call("comment.create", post_id=post["id"], text="", media_ids=media_ids)


@pytest.mark.parametrize("what", ["post", "comment", "message"])
async def test_a_picture_is_uploaded_used_processed_and_shown(cluster: Cluster, person, what):
    alice, bob = await person("alice"), await person("bob", node="b")
    file = await upload(alice, picture())
    written = await write(alice, bob, what, [file["id"]])
    assert [(each["id"], each["status"]) for each in written["media"]] == [(file["id"], "processing")]
    async with running_lanes(cluster):
        ready = (await bob.expect("media.ready"))["media"]
        assert (ready["id"], ready["width"], ready["height"]) == (file["id"], 64, 48)
        status, content = await fetch(ready["variants"][0]["url"])
        assert (status, size_of(content)) == (200, ("WEBP", (64, 48)))
        updated = (await bob.expect("media.updated"))["media"]
    shown = await bob.call("media.get", media_id=file["id"])
    for media in (updated, shown):
        assert [each["content_type"] for each in media["variants"]] == ["image/webp", "image/avif"]


async def test_a_picture_becomes_an_avatar(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    async with running_lanes(cluster):
        file = await upload(alice, picture())
        assert (await alice.expect("media.ready"))["media"]["id"] == file["id"]
    await alice.call("user.update", avatar_media_id=file["id"])
    shown = await bob.call("user.get", user_id=alice.id)
    async with ClientSession() as session, session.get(cluster.url("b") + shown["avatar_url"]) as answer:
        assert (answer.status, size_of(await answer.read())) == (200, ("WEBP", (64, 48)))
