"""Files that moderation withholds: signed URLs of before reach nothing, and new ones read them again."""

from dataclasses import replace
from datetime import timedelta

import pytest
import pytest_asyncio
from aiohttp import ClientSession
from yarl import URL

from protocol.events import MediaClosedEvent
from storage.snowflakes import minted_at
from tests.cluster import Cluster
from tests.contract.test_chats import create_group
from tests.faults import soon
from tests.media_files import add_file, ask
from tests.moderating import Moderating, moderating
from workers import media_objects
from workers.job import Job
from workers.media_objects import move_closed_file

WRITTEN = ("media", "post", "comment", "message")


@pytest_asyncio.fixture(loop_scope="session")
async def moderator(cluster: Cluster):
    async with moderating(cluster) as found:
        yield found


async def objects_of(cluster: Cluster, file: str) -> list[str]:
    return [each.key.rpartition("/")[2] for each in await cluster.stores.objects.page(f"private/{file}/")]


async def status_of(url: str) -> int:
    """Without the body: the store may lose it while it is read."""
    async with ClientSession() as session, session.get(URL(url, encoded=True)) as answer:
        return answer.status


async def write(author, reader, what: str, file: str):
    """Use the file. Returns its target as `decide` takes it, and how its author and its reader read it."""
    if what == "message":
        chat = await create_group(author, reader)
        seq = (await author.call("chat.send", chat_id=chat, text="", media_ids=[file]))["seq"]
        return ("message", chat, {"seq": seq})
    post = (await author.call("post.create", text="x", media_ids=[file] if what != "comment" else []))["id"]
    if what == "comment":
        comment = await author.call("comment.create", post_id=post, text="", media_ids=[file])
        return ("comment", comment["id"], {})
    return ("post", post, {}) if what == "post" else ("media", file, {})


@pytest.mark.parametrize("action", ["remove", "hold", "shadow"])
@pytest.mark.parametrize("what", WRITTEN)
async def test_earlier_urls_of_a_withheld_file_reach_nothing(
    cluster: Cluster, person, moderator: Moderating, what, action
):
    alice, bob = await person("alice"), await person("bob", node="b")
    file = await add_file(cluster, alice, stored=True)
    target_type, target_id, more = await write(alice, bob, what, file)
    urls = [each["url"] for each in (await bob.call("media.get", media_id=file))["variants"]]
    assert [await status_of(url) for url in urls] == [200, 200]

    decision = await moderator.decide(target_type, target_id, action, **more)
    for url in urls:
        assert await soon(lambda url=url: status_of(url), 404) == 404
    assert (await bob.refused("media.get", media_id=file)).code == "NOT_FOUND"
    [own, _] = (await alice.call("media.get", media_id=file))["variants"]  # its author sees it still
    assert await status_of(own["url"]) == 200

    await moderator.undo(decision)
    again = [each["url"] for each in (await bob.call("media.get", media_id=file))["variants"]]
    assert [await status_of(url) for url in again] == [200, 200]
    assert [await status_of(url) for url in urls] == [404, 404]
    await cluster.settle()
    assert await objects_of(cluster, file) == ["w320.webp", "w640.webp"]  # once each


async def test_a_limited_file_keeps_its_urls(cluster: Cluster, person, moderator: Moderating):
    alice = await person("alice")
    file = await add_file(cluster, alice, stored=True)
    post = await alice.call("post.create", text="x", media_ids=[file])
    url = post["media"][0]["variants"][0]["url"]
    await moderator.decide("post", post["id"], "limit")
    await cluster.settle()
    assert await status_of(url) == 200


async def test_a_film_moves_with_all_its_segments(cluster: Cluster, person, moderator: Moderating):
    alice, bob = await person("alice"), await person("bob", node="b")
    file = await add_file(cluster, alice, "video", stored=True)
    post = await alice.call("post.create", text="x", media_ids=[file])
    before = await objects_of(cluster, file)
    [shown] = (await bob.call("post.get", post_id=post["id"]))["media"]
    decision = await moderator.decide("post", post["id"], "remove")
    assert await soon(lambda: status_of(shown["poster_url"]), 404) == 404
    await moderator.undo(decision)
    await cluster.settle()
    assert await objects_of(cluster, file) == before
    [again] = (await bob.call("post.get", post_id=post["id"]))["media"]
    assert await status_of(again["poster_url"]) == 200


async def test_a_file_that_its_author_deletes_meanwhile_leaves_no_objects(
    cluster: Cluster, person, moderator: Moderating
):
    alice = await person("alice")
    file = await add_file(cluster, alice, stored=True)
    post = await alice.call("post.create", text="x", media_ids=[file])
    await moderator.decide("post", post["id"], "remove")
    await alice.call("post.delete", post_id=post["id"])
    await cluster.settle()
    assert await objects_of(cluster, file) == []


async def test_a_file_in_work_is_begun_again_at_its_new_key(cluster: Cluster, person, moderator: Moderating):
    alice = await person("alice")
    file = await add_file(cluster, alice, stored=True)
    post = await alice.call("post.create", text="x", media_ids=[file])
    leased = "UPDATE media SET lane = 'bulk', started_at = now(), due_at = now() + interval '1 h' WHERE id = $1"
    await ask(cluster, leased, int(file))
    await moderator.decide("post", post["id"], "remove")
    await cluster.settle()
    state = "SELECT started_at, due_at <= now(), object_key LIKE '%/secret/' FROM media WHERE id = $1"
    assert await ask(cluster, state, int(file)) == [(None, True, False)]


@pytest.mark.parametrize("action", ["suspend", "ban"])
async def test_earlier_urls_of_a_suspended_users_files_reach_nothing(
    cluster: Cluster, person, moderator: Moderating, monkeypatch: pytest.MonkeyPatch, action
):
    monkeypatch.setattr(media_objects, "PAGE", 2)
    alice, bob = await person("alice"), await person("bob", node="b")
    files = [await add_file(cluster, alice, stored=True) for _ in range(5)]
    targets = [await write(alice, bob, what, file) for what, file in zip(WRITTEN, files, strict=False)]
    chat = targets[-1][1]

    async def read(reader, file: str) -> str:
        return (await reader.call("media.get", media_id=file))["variants"][0]["url"]

    *urls, in_chat = [await read(bob, file) for file in files[:-1]]
    decision = await moderator.decide("user", alice.id, action)
    for url in urls:
        assert await soon(lambda url=url: status_of(url), 404) == 404
    await cluster.settle()
    assert await status_of(in_chat) == 200  # what was said in chats stays with its readers
    assert (await bob.call("chat.history", chat_id=chat))["items"][0]["media"]
    assert (await bob.refused("media.get", media_id=files[0])).code == "NOT_FOUND"

    await moderator.undo(decision)
    assert {await status_of(await read(bob, file)) for file in files[:-1]} == {200}
    assert [await status_of(url) for url in urls] == [404] * len(urls)
    await cluster.settle()
    assert await objects_of(cluster, files[0]) == ["w320.webp", "w640.webp"]  # once each


async def test_files_are_not_moved_once_their_urls_have_expired(cluster: Cluster, person, monkeypatch):
    alice = await person("alice")
    file = await add_file(cluster, alice, stored=True)
    await alice.call("post.create", text="x", media_ids=[file])
    key = "SELECT object_key FROM media WHERE id = $1"
    before = await ask(cluster, key, int(file))
    tools = cluster.workers.tools
    for late, moves in ((True, False), (False, True)):
        minted = cluster.stores.ids.mint()
        now = minted_at(minted) + timedelta(minutes=10 if late else 9)
        await move_closed_file(
            Job(minted, replace(tools, now=lambda now=now: now)), MediaClosedEvent(media_id=int(file))
        )
        assert (await ask(cluster, key, int(file)) != before) is moves
