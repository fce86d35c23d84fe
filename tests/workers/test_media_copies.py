"""Copies of files for everybody, which a CDN serves."""

from dataclasses import replace
from typing import Any

import pytest

from protocol.events import MediaFinishedEvent, MediaOwnerOpenedEvent
from storage.present_media import MediaPresenter
from tests.cluster import Cluster
from tests.faults import soon
from tests.media_files import add_file, ask, fetch
from workers import media_copies
from workers.job import Job, Tools
from workers.media_copies import copy_again, copy_for_everybody

CDN = "https://cdn.example"


def with_cdn(cluster: Cluster) -> Tools:
    tokens = cluster.node_a.parts.media_tokens
    return replace(cluster.workers.tools, media=MediaPresenter(cluster.stores.object_urls, tokens, CDN))


async def copy(cluster: Cluster, media_id: str) -> str | None:
    """Run the reaction with a CDN. Returns where the copies are."""
    await copy_for_everybody(Job(1, with_cdn(cluster)), MediaFinishedEvent(media_id=int(media_id)))
    [(key,)] = await ask(cluster, "SELECT public_key FROM media WHERE id = $1", int(media_id))
    return key


async def names(cluster: Cluster, prefix: str) -> list[str]:
    return [each.key.removeprefix(prefix) for each in await cluster.stores.objects.page(prefix)]


async def test_files_of_public_posts_are_served_by_the_cdn(cluster: Cluster, person, node):
    alice = await person("alice")
    file = await add_file(cluster, alice, "video", stored=True)
    post = await alice.call("post.create", text="", media_ids=[file])
    assert await copy(cluster, file) == (key := await copy(cluster, file))
    assert key is not None
    assert {"master.m3u8", "720.m3u8", "720_00000.m4s", "video.mp4"} <= {*await names(cluster, key)}
    bob = await person("bob", node=await node(cdn_url=f"{CDN}/"))
    [media] = (await bob.call("post.get", post_id=post["id"]))["media"]
    assert media["hls_url"] == f"{CDN}/{key}master.m3u8"
    assert media["poster_url"] == f"{CDN}/{key}poster.webp"
    assert media["urls_expire_at"] is None
    [without] = (await alice.call("post.get", post_id=post["id"]))["media"]
    assert (await fetch(without["poster_url"]))[0] == 200


@pytest.mark.parametrize("loss", ["deleted", "private"])
async def test_copies_go_when_the_post_or_the_account_is_narrowed(cluster: Cluster, person, loss):
    alice = await person("alice")
    file = await add_file(cluster, alice, stored=True)
    post = await alice.call("post.create", text="", media_ids=[file])
    key = await copy(cluster, file)
    assert key is not None
    if loss == "deleted":
        await alice.call("post.delete", post_id=post["id"])
    else:
        await alice.call("user.update", is_private=True)
        assert await copy(cluster, file) is None

    async def left() -> list[str]:
        return await names(cluster, key)

    assert await soon(left, []) == []


@pytest.mark.parametrize("how", ["followers", "private account", "comment", "unused", "bulk lane"])
async def test_other_files_are_not_copied(cluster: Cluster, person, how):
    alice = await person("alice")
    file = await add_file(cluster, alice, stored=True)
    arguments: dict[str, Any] = {"text": "x"} if how in ("comment", "unused") else {"text": "x", "media_ids": [file]}
    if how == "private account":
        await alice.call("user.update", is_private=True)
    if how == "bulk lane":
        await ask(cluster, "UPDATE media SET lane = 'bulk' WHERE id = $1", int(file))
    post = await alice.call("post.create", **arguments, visibility="followers" if how == "followers" else "public")
    if how == "comment":
        await alice.call("comment.create", post_id=post["id"], text="", media_ids=[file])
    assert await copy(cluster, file) is None


async def test_a_finished_file_in_use_gets_an_event(cluster: Cluster, person):
    alice = await person("alice")
    file = await add_file(cluster, alice)
    asked = "SELECT count(*) FROM outbox WHERE topic = 'media.finished' AND key = $1"
    assert await ask(cluster, asked, file) == [(0,)]
    await alice.call("user.update", avatar_media_id=file)
    assert await ask(cluster, asked, file) == [(1,)]
    assert await copy(cluster, file) is not None


@pytest.mark.parametrize("loss", ["private", "suspended"])
async def test_an_account_that_is_open_again_gets_new_copies(cluster: Cluster, person, monkeypatch, loss):
    monkeypatch.setattr(media_copies, "PAGE", 2)
    alice = await person("alice")
    files = [await add_file(cluster, alice, stored=True) for _ in range(3)]
    for file in files:
        await alice.call("post.create", text="", media_ids=[file])
    unused = await add_file(cluster, alice)
    assert None not in [await copy(cluster, file) for file in files]
    change = "is_private = {}" if loss == "private" else "status = CASE WHEN {} THEN 'suspended' ELSE 'active' END"
    await ask(cluster, f"UPDATE users SET {change.format('true')} WHERE id = $1", int(alice.id))
    assert [await copy(cluster, file) for file in files] == [None] * 3
    opened = "SELECT count(*) FROM outbox WHERE topic = 'media.owner_opened' AND key = $1"
    assert await ask(cluster, opened, alice.id) == [(0,)]
    await ask(cluster, f"UPDATE users SET {change.format('false')} WHERE id = $1", int(alice.id))
    assert await ask(cluster, opened, alice.id) == [(1,)]
    asked = "SELECT count(*) FROM outbox WHERE topic = 'media.finished' AND key = $1"
    before = [await ask(cluster, asked, file) for file in (*files, unused)]
    await copy_again(Job(1, with_cdn(cluster)), MediaOwnerOpenedEvent(user_id=int(alice.id)))
    assert [await ask(cluster, asked, file) for file in (*files, unused)] == [[(1 + n,)] for [(n,)] in before[:3]] + [
        before[3]
    ]
    assert None not in [await copy(cluster, file) for file in files]
