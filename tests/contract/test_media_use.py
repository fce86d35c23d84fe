"""Files in posts, comments, messages and avatars: who sees them, by which URLs, and what is refused."""

import asyncio
from typing import Any

import pytest

from tests.cluster import Cluster
from tests.contract.test_chats import create_group
from tests.media_files import add_file, ask, fetch, finish
from tests.people import Person

WRITES = ("post", "comment", "message")


async def write(author: Person, reader: Person, what: str, media_ids: list[str], text: str = "x", **more: Any) -> Any:
    match what:
        case "post":
            return await author.call("post.create", text=text, media_ids=media_ids, **more)
        case "comment":
            post = await author.call("post.create", text="x")
            return await author.call("comment.create", post_id=post["id"], text=text, media_ids=media_ids, **more)
        case _:
            chat_id = await create_group(author, reader)
            return await author.call("chat.send", chat_id=chat_id, text=text, media_ids=media_ids, **more)


@pytest.mark.parametrize("what", WRITES)
async def test_media_are_shown_with_what_uses_them(cluster: Cluster, person, what):
    alice, bob = await person("alice"), await person("bob")
    file = await add_file(cluster, alice, alt="a cat", stored=True)
    written = await write(alice, bob, what, [file], text="")
    [media] = written["media"]
    assert (media["id"], media["status"], media["alt"], media["error"]) == (file, "ready", "a cat", None)
    assert [each["name"] for each in media["variants"]] == ["w320", "w640"]
    assert [(await fetch(each["url"]))[:2] for each in media["variants"]] == [(200, "w320.webp"), (200, "w640.webp")]


async def test_a_post_shows_ten_files_in_the_order_that_was_asked(cluster: Cluster, person):
    alice = await person("alice")
    files = [await add_file(cluster, alice, kind) for kind in ("image", "video") * 5]
    post = await alice.call("post.create", text="", media_ids=files[::-1])
    assert [each["id"] for each in post["media"]] == files[::-1]
    assert (await alice.call("post.get", post_id=post["id"]))["media"] == post["media"]
    failed = await alice.refused("post.create", text="", media_ids=[*files, "5"])
    assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["media_ids"])


@pytest.mark.parametrize("what", WRITES)
async def test_files_that_cannot_be_used_are_refused_and_nothing_is_written(cluster: Cluster, person, what):
    alice, bob = await person("alice"), await person("bob")
    used = await add_file(cluster, alice)
    await write(alice, bob, what, [used])
    refused = [
        used,
        "5",
        await add_file(cluster, bob),
        await add_file(cluster, alice, status="uploading"),
        await add_file(cluster, alice, status="failed"),
    ]
    if what == "comment":
        refused.append(await add_file(cluster, alice, "video"))
    before = await ask(cluster, "SELECT count(*) FROM posts WHERE author_id = $1", int(alice.id))
    for file in refused:
        good = [] if what == "comment" else [await add_file(cluster, alice)]
        with pytest.raises(Exception, match=rf"media_ids\[{len(good)}\]"):
            await write(alice, bob, what, [*good, file])
        for each in good:
            assert await ask(cluster, "SELECT target_id FROM media WHERE id = $1", int(each)) == [(None,)]
    if what == "post":
        assert await ask(cluster, "SELECT count(*) FROM posts WHERE author_id = $1", int(alice.id)) == before


@pytest.mark.parametrize("what", ["post", "message"])
async def test_a_file_named_twice_is_refused(cluster: Cluster, person, what):
    alice, bob = await person("alice"), await person("bob")
    file = await add_file(cluster, alice)
    with pytest.raises(Exception, match=r"media_ids\[1\]"):
        await write(alice, bob, what, [file, file])


async def test_one_of_two_posts_at_once_gets_the_file(cluster: Cluster, person):
    alice = await person("alice")
    file = await add_file(cluster, alice)
    answers = await asyncio.gather(*(alice.answer("post.create", {"text": "", "media_ids": [file]}) for _ in range(4)))
    assert sorted(answer["ok"] for answer in answers) == [False, False, False, True]


async def test_messages_of_a_batch_are_refused_alone_and_leave_no_gap(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    chat_id = await create_group(alice, bob)
    file = await add_file(cluster, alice)
    asked = [{"text": str(n), **({"media_ids": [file]} if n % 3 == 0 else {"media_ids": ["5"]} if n % 3 == 1 else {})}
             for n in range(12)]  # fmt: skip
    answers = await asyncio.gather(*(alice.answer("chat.send", {"chat_id": chat_id, **each}) for each in asked))
    sent = [answer["data"] for answer in answers if answer["ok"]]
    assert sorted(message["seq"] for message in sent) == [1, 2, 3, 4, 5]
    assert [message["media"][0]["id"] for message in sent if message["media"]] == [file]
    for answer in answers:
        if not answer["ok"]:
            assert answer["error"]["details"][0]["field"] == "media_ids[0]"


async def test_a_repeated_message_has_its_files(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    arguments = {"chat_id": await create_group(alice, bob), "text": "", "media_ids": [await add_file(cluster, alice)]}
    first = await alice.call("chat.send", **arguments, idempotency_key="k")
    assert await alice.call("chat.send", **arguments, idempotency_key="k") == first
    assert len(first["media"]) == 1


async def test_texts_are_empty_only_with_media(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    for what in WRITES:
        with pytest.raises(Exception, match="text: is empty"):
            await write(alice, bob, what, [], text="")
    plain = await alice.call("post.create", text="x")
    failed = await alice.refused("post.edit", post_id=plain["id"], version=1, text="")
    assert failed.fields == ["text"]
    post = await alice.call("post.create", text="x", media_ids=[await add_file(cluster, alice)])
    edited = await alice.call("post.edit", post_id=post["id"], version=1, text="")
    assert (edited["text"], edited["media"]) == ("", post["media"])


async def test_a_share_shows_the_media_of_the_original(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    post = await alice.call("post.create", text="", media_ids=[await add_file(cluster, alice, "video")])
    share = await bob.call("share.create", post_id=post["id"])
    assert share["media"] == []
    assert [each["id"] for each in share["shared"]["media"]] == [each["id"] for each in post["media"]]


async def test_only_its_owner_reads_why_a_file_failed(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob")
    file = await add_file(cluster, alice, status="processing")
    post = await alice.call("post.create", text="", media_ids=[file])
    assert [each["status"] for each in post["media"]] == ["processing"]
    await ask(
        cluster,
        "UPDATE media SET status = 'failed', error_code = 'damaged', error_text = 'Broken.' WHERE id = $1",
        int(file),
    )
    [own] = (await alice.call("post.get", post_id=post["id"]))["media"]
    [seen] = (await bob.call("post.get", post_id=post["id"]))["media"]
    assert (own["status"], own["error"]) == ("failed", {"code": "damaged", "message": "Broken."})
    assert (seen["status"], seen["error"], seen["variants"]) == ("failed", None, [])


async def test_a_message_carries_its_files_to_the_members(cluster: Cluster, person):
    alice, bob = await person("alice"), await person("bob", node="b")
    chat_id = await create_group(alice, bob)
    sent = await alice.call("chat.send", chat_id=chat_id, text="", media_ids=[await add_file(cluster, alice, "video")])
    push = await bob.expect("chat.message")
    [pushed] = push["message"]["media"]
    assert pushed["hls_url"] is None
    assert {**pushed, "hls_url": sent["media"][0]["hls_url"]} == sent["media"][0]
    history = await bob.call("chat.history", chat_id=chat_id)
    [read] = history["items"][0]["media"]
    assert read["id"] == pushed["id"]
    assert read["hls_url"] != sent["media"][0]["hls_url"]  # each viewer has their own


@pytest.mark.parametrize("what", ["post", "comment", "share"])
async def test_a_repeated_call_returns_media_as_they_are_now(cluster: Cluster, person, what):
    """The URLs of the first answer may have expired, and files that were processed then are ready."""
    alice = await person("alice")
    file = await add_file(cluster, alice, status="processing")
    post = await alice.call("post.create", text="x", media_ids=[file] if what == "share" else [])
    arguments: dict[str, Any] = {
        "post": {"text": "x", "media_ids": [file]},
        "comment": {"text": "x", "media_ids": [file], "post_id": post["id"]},
        "share": {"post_id": post["id"], "text": "y"},
    }[what]
    first = await alice.call(f"{what}.create", **arguments, idempotency_key="k")
    await finish(cluster, file)
    again = await alice.call(f"{what}.create", **arguments, idempotency_key="k")
    assert again["id"] == first["id"]
    [now] = (again["shared"] if what == "share" else again)["media"]
    assert now == await alice.call("media.get", media_id=file)
    assert (now["status"], len(now["variants"])) == ("ready", 2)
