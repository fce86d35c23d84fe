"""Requests to the object store, to LiveKit and to push services are steps of the trace that makes them."""

import pytest
from aiohttp import ClientError

from senders.providers import Providers
from senders.sender import Endpoint, Message, Outcome, Retry
from stage.livekit_requests import LiveKitRequests
from storage.objects import NoSuchObject
from tests.cluster import Cluster
from tests.tracing.sinks import Kept
from tracing import traces


class Provider:
    most_at_once = 1

    async def send(self, device: Endpoint, message: Message) -> Outcome:
        return Retry(1.0, "busy")

    async def ping(self) -> str:
        return "here"

    async def close(self) -> None: ...


@pytest.fixture
def steps():
    """The steps of a trace, once it has ended: their names, faults and servers."""
    kept = Kept()
    traces.send_to(kept)
    trace = traces.begin("job")

    def end() -> list[tuple[str, str, object]]:
        traces.end(trace)
        *spans, _ = kept.of(trace)
        return [(span.name, span.fault, span.attributes["peer.service"]) for span in spans]

    yield end
    traces.leave()
    traces.send_to(None)


async def test_requests_to_the_object_store(cluster: Cluster, steps, tmp_path):
    stores, key = cluster.stores, f"traced/{cluster.unique('object')}"
    file = tmp_path / "file"
    file.write_bytes(b"bytes")
    await stores.object_files.upload(file, key, "image/png")
    assert (await stores.objects.head(key, 2)).content == b"by"
    with pytest.raises(NoSuchObject):
        await stores.object_files.download(f"{key}.gone", file)
    assert steps() == [("s3 PUT", "", "s3"), ("s3 read", "", "s3"), ("s3 GET", "NoSuchObject", "s3")]


async def test_requests_to_livekit(steps):
    async def answer() -> str:
        return "rooms"

    async def fail() -> str:
        raise ClientError

    requests = LiveKitRequests("livekit")
    assert await requests.settled("list_rooms", answer) == "rooms"
    assert await requests.settled("remove", fail) is None
    assert steps() == [("livekit list_rooms", "", "livekit"), ("livekit remove", "ClientError", "livekit")]


async def test_messages_to_push_services(steps):
    providers = Providers({"fcm": Provider()})
    await providers.send(Endpoint("fcm", "secret token", "en"), Message(1, "title", "body"))
    assert steps() == [("send fcm", "", "fcm")]
