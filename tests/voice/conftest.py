"""A cluster with LiveKit. The keeper of voice runs only after `look_around()`; until then, only events act."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from gateway.observability import configure_logs
from stage import voice
from stage.livekit_requests import LiveKitRequests
from tests.cluster import Cluster
from tests.people import Person
from tests.voice.device import Device
from workers.voice import keep_voice

Enter = Callable[[dict[str, Any]], Awaitable[Device]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    configure_logs("info", "json")
    running = Cluster(Path(tmp_path_factory.mktemp("servers")), None, voice=True, recordings=True)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture(autouse=True)
def without_breakers_of_earlier_tests(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    for stores in (cluster.stores, *(node._stores for node in cluster.nodes.values())):
        monkeypatch.setattr(stores.voice_server, "_requests", LiveKitRequests("livekit"))


@pytest_asyncio.fixture(loop_scope="session")
async def enter() -> AsyncIterator[Enter]:
    """`await enter(media)` returns a device, connected with an answer of room.media_token."""
    devices: list[Device] = []

    async def enter(media: dict[str, Any]) -> Device:
        devices.append(Device())
        await devices[-1].enter(media)
        return devices[-1]

    yield enter
    for each in devices:
        await each.leave()


@pytest.fixture
def device(enter: Enter) -> Callable[[Person, str], Awaitable[Device]]:
    """`await device(mona, room_id)` returns a device of hers, connected with a new token."""

    async def enter_anew(who: Person, room_id: str) -> Device:
        return await enter(await who.call("room.media_token", room_id=room_id))

    return enter_anew


@pytest_asyncio.fixture(loop_scope="session")
async def look_around(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[[], None]]:
    """Return a function that starts the keeper of voice, with short intervals."""
    monkeypatch.setattr(voice, "LOOK_EVERY_S", 0.1)
    monkeypatch.setattr(voice, "DOUBT_S", 0.3)
    stop = asyncio.Event()
    keeping: list[asyncio.Task[None]] = []
    yield lambda: keeping.append(asyncio.create_task(keep_voice(cluster.workers.tools, stop)))
    stop.set()
    await asyncio.gather(*keeping)
