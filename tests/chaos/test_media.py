"""kill -9 of the workers while fifty files are processed: each ends as ready, or as failed with a reason."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.deployment import Client, Deployment
from tests.media.corpus import CASES
from tests.uploads import upload

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
    for worker in ("worker-0", "worker-1"):
        await asyncio.sleep(3)  # both work now
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
