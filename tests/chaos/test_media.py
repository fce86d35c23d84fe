"""Files of users while workers are killed, and while the object store is stopped."""

import asyncio
import json
import os
import signal
from collections import Counter
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.owner import owner_connection
from gateway.stores import open_stores
from tests.chaos.deployment import Client, Deployment
from tests.faults import soon
from tests.media.corpus import CASES
from tests.uploads import begin, fetch, send, upload

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(400)]

NAMES = (
    *("gps.jpg", "turned-6.jpg", "cmyk.jpg", "palette.png", "moving.gif", "gps.webp", "turned.heic", "gps.avif"),
    *("phone.mp4", "turned.mp4", "browser.webm", "film.mov", "song.mp3", "song.m4a", "voice.ogg"),
    *("cut-gps.jpg", "bomb.png", "thousands.gif", "cut.mp4", "sound-only.mp4", "noise.mp3"),
)
FILES = 50
TYPES = {
    "jpg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "avif": "image/avif",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "ogg": "audio/ogg",
}
LATEST_S = 300.0
STOPPED_S = 20.0


class Caller:
    """The official client, as `tests.uploads` calls it."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def call(self, method: str, **fields: Any) -> Any:
        while True:
            answer = await self._client.call(method, fields, timeout=30)
            if answer["ok"]:
                return answer["data"]
            assert answer["error"]["retryable"], answer  # processes are killed, and all share the machine
            await asyncio.sleep(0.5)


async def rows(deployment: Deployment, statement: str) -> list[Any]:
    url = deployment.servers_running.servers.postgres_url("daira_owner")
    async with owner_connection(url) as connection:
        return list(await connection.fetch(statement))


async def began_since(deployment: Deployment, moment: datetime) -> bool:
    """Whether workers have begun with two files since then: more than one slot is at work."""
    [found] = await rows(deployment, "SELECT array_agg(started_at) AS all FROM media WHERE started_at IS NOT NULL")
    return sum(each > moment for each in found["all"] or ()) >= 2


async def leftovers(deployment: Deployment) -> list[str]:
    """Objects of attempts that published nothing, and of files that have failed."""
    known = {
        (each["object_key"], variant["file"].partition("_")[0])
        for each in await rows(deployment, "SELECT object_key, variants FROM media WHERE status = 'ready'")
        for variant in json.loads(each["variants"])
    }
    async with open_stores(deployment.settings) as stores:
        keys = [each.key for each in await stores.objects.page("private/")]
    return [key for key in keys if _attempt(key) not in known]


def _attempt(key: str) -> tuple[str, str]:
    """Where the objects of the file are, and what the names of one attempt begin with."""
    folder, _, name = key.rpartition("/")
    return f"{folder}/", name.partition("_")[0]


async def test_files_end_while_workers_are_killed(deployment: Deployment, tmp_path: Path) -> None:
    [token] = await deployment.tokens(["alice"])
    client = await deployment.client(token, 0)
    alice = Caller(client)
    names = [NAMES[number % len(NAMES)] for number in range(FILES)]
    for name in NAMES:
        await asyncio.to_thread(CASES[name].write, tmp_path)

    async def send(name: str) -> str:
        body = await asyncio.to_thread((tmp_path / name).read_bytes)
        kind = TYPES[name.rpartition(".")[2]]
        return (await upload(alice, body, filename=name, content_type=kind))["id"]  # type: ignore[arg-type]

    ids = await asyncio.gather(*(send(name) for name in names))
    killed_at = datetime.fromtimestamp(0, UTC)
    for worker in ("worker-0", "worker-1"):
        assert await soon(partial(began_since, deployment, killed_at), True)
        killed_at = datetime.now(UTC)
        deployment.kill(worker)
        deployment.spawn(worker)

    async with asyncio.timeout(LATEST_S):
        shown: list[Any] = []
        while not shown or any(each["status"] == "processing" for each in shown):
            await asyncio.sleep(1)
            shown = [await alice.call("media.get", media_id=media_id) for media_id in ids]
    for name, each in zip(names, shown, strict=True):
        codes = CASES[name].codes
        assert each["status"] == ("failed" if codes else "ready"), (name, each["error"])
        assert not codes or each["error"]["code"] in codes
    assert Counter(each["status"] for each in shown)["failed"] >= 10
    await client.disconnect()
    # Second steps, too.
    async with asyncio.timeout(LATEST_S):
        while await rows(deployment, "SELECT FROM media WHERE lane IS NOT NULL"):
            await asyncio.sleep(1)
    assert await soon(lambda: leftovers(deployment), []) == []
    checked = await asyncio.to_thread(deployment.run, "check", "media")
    assert checked.returncode == 0, checked.stdout + checked.stderr


async def test_all_else_goes_on_while_the_store_is_stopped(deployment: Deployment, tmp_path: Path) -> None:
    clients = [await deployment.client(token, node) for node, token in enumerate(await deployment.tokens(["a", "b"]))]
    alice, bob = (Caller(client) for client in clients)
    await bob.call("graph.follow", user_id=(await alice.call("user.me"))["id"])
    chat_id = (await alice.call("chat.open", user_ids=[(await bob.call("user.me"))["id"]]))["chat"]["id"]
    room_id = (await alice.call("room.create", topic="A majlis"))["id"]
    await alice.call("room.start", room_id=room_id)
    for each in (alice, bob):
        await each.call("room.join", room_id=room_id)
    body = (await asyncio.to_thread(CASES["gps.jpg"].write, tmp_path)).read_bytes()
    picture: dict[str, Any] = {"filename": "gps.jpg", "content_type": "image/jpeg"}
    acknowledged = [(await upload(alice, body, **picture))["id"] for _ in range(10)]  # type: ignore[arg-type]
    sent = await begin(alice, body, **picture)  # type: ignore[arg-type]
    await send(sent, body)

    codes: Counter[str] = Counter()
    store = deployment.servers_running.process_id("s3")
    loop = asyncio.get_running_loop()
    until = loop.time() + STOPPED_S
    os.kill(store, signal.SIGSTOP)
    try:
        while loop.time() < until:
            await bob.call("post.create", text="goes on")
            await alice.call("chat.send", chat_id=chat_id, text="goes on", idempotency_key=f"{loop.time()}")
            await bob.call("room.send", room_id=room_id, text="goes on")
            for method, fields in (
                ("media.create_upload", {**picture, "size_bytes": len(body)}),
                ("media.complete_upload", {"media_id": sent["media_id"]}),
            ):
                answer = await clients[0].call(method, fields, timeout=30)
                codes["OK" if answer["ok"] else answer["error"]["code"]] += 1
            await alice.call("media.get", media_id=acknowledged[0])
    finally:
        os.kill(store, signal.SIGCONT)
    assert [*codes] == ["UNAVAILABLE"]
    # Each call that waited for the store took seconds: most did not.
    assert codes["UNAVAILABLE"] > STOPPED_S

    acknowledged.append((await alice.call("media.complete_upload", media_id=sent["media_id"]))["id"])
    async with asyncio.timeout(LATEST_S):
        shown = [await alice.call("media.get", media_id=media_id) for media_id in acknowledged]
        while any(each["status"] == "processing" for each in shown):
            await asyncio.sleep(1)
            shown = [await alice.call("media.get", media_id=media_id) for media_id in acknowledged]
    assert {each["status"] for each in shown} == {"ready"}
    assert {(await fetch(variant["url"]))[0] for each in shown for variant in each["variants"]} == {200}
    for client in clients:
        await client.disconnect()
