"""Media over HTTP at the gateway: HLS with a token of the viewer, whose right is checked at each request; avatars."""

from typing import Any

import pytest

from gateway import media_routes
from protocol.media_tokens import MediaTokens
from tests.cluster import Cluster
from tests.media_files import add_file, ask, fetch
from tests.people import Person


@pytest.fixture(autouse=True)
def _rights_are_not_kept(monkeypatch):
    monkeypatch.setattr(media_routes, "RIGHT_KEPT_S", 0.0)


async def video(cluster: Cluster, author: Person, **post: Any) -> tuple[dict[str, Any], str]:
    """A post with a video, and the video's id."""
    file = await add_file(cluster, author, "video", stored=True)
    return await author.call("post.create", text="x", media_ids=[file], **post), file


async def hls_url(cluster: Cluster, viewer: Person, post_id: str) -> str:
    [media] = (await viewer.call("post.get", post_id=post_id))["media"]
    return cluster.url() + media["hls_url"]


async def test_a_film_plays(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    post, _ = await video(cluster, alice)
    url = await hls_url(cluster, bob, post["id"])
    status, text, headers = await fetch(url)
    assert (status, text) == (200, "master.m3u8")
    assert headers["Content-Type"] == "application/vnd.apple.mpegurl"
    assert (headers["Access-Control-Allow-Origin"], headers["Referrer-Policy"]) == ("*", "no-referrer")
    assert (await fetch(url.replace("master", "720")))[:2] == (200, "720.m3u8")
    status, _, headers = await fetch(url.replace("master.m3u8", "720_00000.m4s"))
    assert (status, headers["Cache-Control"]) == (302, "no-store")
    assert (await fetch(headers["Location"]))[:2] == (200, "720_00000.m4s")
    assert (await fetch(url, method="HEAD"))[0] == 200
    assert (await fetch(url, method="OPTIONS"))[0] == 204


LOSSES = ("deleted", "blocked", "private", "suspended author", "suspended viewer")


@pytest.mark.parametrize("loss", LOSSES)
async def test_a_running_film_stops_when_its_viewer_loses_the_right(cluster: Cluster, person, loss):
    alice, bob = await person("alice"), await person("bob")
    post, _ = await video(cluster, alice)
    url = await hls_url(cluster, bob, post["id"])
    segment = url.replace("master.m3u8", "720_00000.m4s")
    assert (await fetch(segment))[0] == 302
    match loss:
        case "deleted":
            await alice.call("post.delete", post_id=post["id"])
        case "blocked":
            await alice.call("graph.block", user_id=bob.id)
        case "private":
            await alice.call("user.update", is_private=True)
        case _:
            suspended = alice if loss == "suspended author" else bob
            await ask(cluster, "UPDATE users SET status = 'suspended' WHERE id = $1", int(suspended.id))
    assert [(await fetch(each))[0] for each in (url, segment)] == [404, 404]


async def test_nothing_else_opens(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    post, file = await video(cluster, alice, visibility="private")
    url = await hls_url(cluster, alice, post["id"])
    base = url.removesuffix("master.m3u8")
    assert (await fetch(url))[0] == 200
    guessed = MediaTokens([b"x" * 32]).seal(int(file), int(alice.id))
    own = cluster.node_a.parts.media_tokens
    of_bob = own.seal(int(file), int(bob.id))  # as if bob had been shown it
    as_avatar = own.seal_avatar(int(file))
    image = own.seal(int(await add_file(cluster, alice, stored=True)), int(alice.id))
    for path in (
        *(f"{base}{name}" for name in (
            "original", "w320.webp", "missing.m3u8", "%2e%2e%2fmaster.m3u8", "..%2F..%2Fx.m3u8", "master.m3u8%00",
            "a" * 100 + ".m4s", "720_00000.m4s%0aX: y", "avatar",
        )),
        f"{cluster.url()}/media/{guessed}/master.m3u8",
        f"{cluster.url()}/media/{of_bob}/master.m3u8",
        f"{cluster.url()}/media/{as_avatar}/avatar",
        f"{cluster.url()}/media/{image}/master.m3u8",
        f"{cluster.url()}/media/{'x' * 48}/master.m3u8",
        f"{cluster.url()}/media/ü/master.m3u8",
    ):  # fmt: skip
        assert (await fetch(path))[0] == 404, path


def test_a_token_expires_and_keys_rotate():
    now = [1_000_000.0]
    old = MediaTokens([b"old"], now=lambda: now[0])
    token = old.seal(5, 7)
    rotated = MediaTokens([b"new", b"old"], now=lambda: now[0])
    assert rotated.open(token) == old.open(token) == (5, 7)
    assert old.open(rotated.seal(5, 7)) is None
    avatar = old.seal_avatar(5)
    now[0] += 4 * 3600 - 1
    assert old.open(token) == (5, 7)
    now[0] += 3602
    assert old.open(token) is None
    assert old.open(avatar) == (5, None)


async def test_requests_of_one_address_are_limited(cluster: Cluster, person, node):
    alice = await person("alice")
    post, _ = await video(cluster, alice)
    url = await hls_url(cluster, alice, post["id"])
    name = await node(limit_media="1/hour", limit_loopback=True)
    url = url.replace(cluster.url(), cluster.url(name))
    found = [await fetch(url) for _ in range(3)]
    assert [status for status, _, _ in found] == [200, 429, 429]
    assert found[1][2]["Retry-After"] == "1"


async def test_an_avatar_is_shown_until_another_takes_its_place(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    first, second = [await add_file(cluster, alice, stored=True) for _ in range(2)]
    user = await alice.call("user.update", avatar_media_id=first)
    assert await alice.call("user.update", avatar_media_id=first) == user
    assert (await bob.call("user.get", user_id=alice.id))["avatar_url"] == user["avatar_url"]
    post = await alice.call("post.create", text="x")
    assert post["author"]["avatar_url"] == user["avatar_url"]
    old = cluster.url() + user["avatar_url"]
    status, _, headers = await fetch(old)
    assert status == 302
    assert (await fetch(headers["Location"]))[:2] == (200, "w320.webp")
    changed = await alice.call("user.update", avatar_media_id=second)
    assert changed["avatar_url"] != user["avatar_url"]
    assert (await fetch(old))[0] == 404
    assert await ask(cluster, "SELECT id FROM media WHERE owner_id = $1", int(alice.id)) == [(int(second),)]
    assert (await alice.call("user.update", bio="x"))["avatar_url"] == changed["avatar_url"]
    assert (await alice.call("user.update", avatar_media_id=None))["avatar_url"] is None
    assert await ask(cluster, "SELECT id FROM media WHERE owner_id = $1", int(alice.id)) == []


async def test_avatars_are_processed_images_of_the_user(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    used = await add_file(cluster, alice)
    await alice.call("post.create", text="", media_ids=[used])
    kept = await alice.call("user.update", avatar_media_id=await add_file(cluster, alice))
    for file in (
        used,
        "5",
        await add_file(cluster, bob),
        await add_file(cluster, alice, "video"),
        await add_file(cluster, alice, status="processing"),
        await add_file(cluster, alice, status="failed"),
    ):
        failed = await alice.refused("user.update", avatar_media_id=file)
        assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["avatar_media_id"])
    assert (await alice.call("user.me"))["avatar_url"] == kept["avatar_url"]
