"""Copies of files for everybody, which a CDN serves."""

from dataclasses import replace
from typing import Any

import pytest

from protocol.events import MediaFinishedEvent
from storage.present_media import MediaPresenter
from tests.cluster import Cluster
from tests.faults import soon
from tests.media_files import add_file, ask, fetch
from workers.job import Job
from workers.media_copies import copy_for_everybody

CDN = "https://cdn.example"


async def copy(cluster: Cluster, media_id: str) -> str | None:
    """Run the reaction with a CDN. Returns where the copies are."""
    tools, tokens = cluster.workers.tools, cluster.node_a.parts.media_tokens
    tools = replace(tools, media=MediaPresenter(cluster.stores.object_urls, tokens, CDN))
    await copy_for_everybody(Job(1, tools), MediaFinishedEvent(media_id=int(media_id)))
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
