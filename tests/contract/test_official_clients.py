"""Official clients of five languages connect, call, get pushes, recover or start fresh, and respect a disconnect."""

import asyncio
import base64
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from domain.post_channels import POST
from engine import socket as engine_socket
from engine.close_reasons import CloseReason
from gateway.connection import Connection
from protocol.posts import PostDeleted
from tests.cluster import Cluster
from tests.official import CLIENTS_TO_TRY, LANGUAGES, UPGRADE, Client
from tests.patience import WAIT_S
from tests.people import DrivenPerson, Driver

pytestmark = pytest.mark.no_cover  # each client repeats the lines of the others

Official = Callable[..., Awaitable[DrivenPerson]]
RECONNECT_AFTER_MS = 20
EVENTS = ["session.ready", "graph.followed", "post.deleted"]  # Java's 2.0 client cannot listen to all events
BINARY = {"$bytes": base64.b64encode(bytes(range(256))).decode()}
numbers = itertools.count(1)

each_client = pytest.mark.parametrize(
    "client",
    [pytest.param(client, id=str(client), marks=pytest.mark.client(client.language)) for client in CLIENTS_TO_TRY],
)


class Drivers:
    """Starts the driver of a language when it is first needed."""

    def __init__(self) -> None:
        self._running: dict[str, Driver] = {}

    async def of(self, language: str) -> Driver:
        if language not in self._running:
            self._running[language] = Driver(*LANGUAGES[language].command)
            await self._running[language].start()
        return self._running[language]

    async def stop(self, *languages: str) -> None:
        for language in languages or [*self._running]:
            if language in self._running:
                await self._running.pop(language).stop()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def drivers() -> AsyncIterator[Drivers]:
    started = Drivers()
    yield started
    await started.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def official(cluster: Cluster, drivers: Drivers) -> AsyncIterator[Official]:
    """`await official(client, "alice")`: a new user, signed in on node a by that client and ready.

    With `token`, a client that connects with that one, whatever comes of it.
    """

    async def connect(
        client: Client, name: str, token: str | None = None, delay_ms: int = RECONNECT_AFTER_MS
    ) -> DrivenPerson:
        username = cluster.unique(name)
        user = DrivenPerson(username, "", await drivers.of(client.language))
        cluster.add(user)
        [valid] = await cluster.tokens([username])
        auth = {"token": token or valid, "protocol": "1" if client.language.startswith("java") else 1}
        await user.connect(
            cluster.url(), client.codec, auth, transports=client.transports, variant=client.variant, events=EVENTS,
            reconnectionDelay=delay_ms, randomizationFactor=0, forceBase64=client.force_base64,
        )  # fmt: skip
        if token is None:
            user.id = (await user.expect("session.ready", recovered=False))["user"]["id"]
            assert (await user.happened("connect"))["recovered"] is False
            if client.transports == UPGRADE:
                await upgraded(cluster, user)
        return user

    yield connect
    await cluster.leave()
    await drivers.stop("rust")  # a synchronous client's thread spins after its end


def sockets(cluster: Cluster, who: DrivenPerson) -> list[Connection]:
    return cluster.node_a.parts.members.of_user(int(who.id))


async def upgraded(cluster: Cluster, who: DrivenPerson) -> None:
    [connection] = sockets(cluster, who)
    async with asyncio.timeout(WAIT_S):
        while not connection._socket.upgraded:
            await asyncio.sleep(0.005)


def lose_transport(cluster: Cluster, who: DrivenPerson) -> None:
    """Drop the client's transport without a message, as a lost network does."""
    [connection] = sockets(cluster, who)
    connection.drop(CloseReason.BROKEN)


def tries(who: DrivenPerson) -> list[dict]:
    """Return the client's connection changes that `happened` has not taken yet."""
    return [entry for entry in who.log if entry["is"] in ("connect", "connect_error", "reconnect_attempt")]


@each_client
async def test_calls_are_answered_and_pushes_received(cluster: Cluster, person, official: Official, client: Client):
    alice = await official(client, "alice")
    text = ("صباح الخير ☕ " * 400)[: client.longest_text].strip()  # longer than any line buffer
    post = await alice.call("post.create", text=text)
    assert (await alice.call("post.get", post_id=post["id"]))["text"] == post["text"]
    answers = await asyncio.gather(*(alice.call("user.get", user_id=alice.id) for _ in range(client.calls_at_once)))
    assert {answer["username"] for answer in answers} == {alice.name}
    failed = await alice.refused("post.get", post_id="1")
    assert (failed.code, failed.error["retryable"]) == ("NOT_FOUND", False)
    if client.sends_binary:
        failed = await alice.refused("post.create", text=BINARY)
        assert (failed.code, failed.fields) == ("INVALID_ARGUMENT", ["text"])
    bob = await person("bob")
    await bob.call("graph.follow", user_id=alice.id)
    assert (await alice.expect("graph.followed"))["user"]["username"] == bob.name
    await alice.call("post.watch", post_id=post["id"])
    pushes = [PostDeleted(id=f"post.deleted:{next(numbers)}", post_id="1") for _ in range(40)]
    await asyncio.gather(*(cluster.stores.broadcaster.publish(POST.channel(int(post["id"])), push) for push in pushes))
    for push in pushes:  # more than a polling client takes in one payload
        await alice.expect("post.deleted", id=push.id)
    await alice.close()
    async with asyncio.timeout(WAIT_S):
        while sockets(cluster, alice):
            await asyncio.sleep(0.005)


@each_client
async def test_after_a_lost_transport_it_recovers_or_starts_fresh(cluster: Cluster, official: Official, client: Client):
    alice = await official(client, "alice")
    post = await alice.call("post.create", text="open")
    await alice.call("post.watch", post_id=post["id"])
    lose_transport(cluster, alice)
    room = POST.channel(int(post["id"]))
    missed, later = (PostDeleted(id=f"post.deleted:{next(numbers)}", post_id="1") for _ in range(2))
    await cluster.stores.broadcaster.publish(room, missed)
    ready = await alice.expect("session.ready")
    assert ready["recovered"] is client.recovers
    assert (await alice.happened("connect"))["recovered"] is client.recovers
    await alice.call("post.watch", post_id=post["id"])
    await cluster.stores.broadcaster.publish(room, later)
    await alice.expect("post.deleted", id=later.id)
    assert [push["id"] for push in alice.heard("post.deleted")] == [missed.id] * client.recovers


@each_client
async def test_after_a_logout_or_a_refusal_it_does_not_reconnect(
    cluster: Cluster, official: Official, client: Client, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(engine_socket, "LINGER_S", 0.5)
    monkeypatch.setattr(engine_socket, "CLOSE_TIMEOUT_S", 0.5)
    alice, eve = await official(client, "alice"), await official(client, "eve", "no-token")
    witness = await official(client, "witness", delay_ms=RECONNECT_AFTER_MS * 4)  # delays vary by half
    assert (await eve.happened("connect_error"))["data"] == {"code": "UNAUTHENTICATED", "reason": "malformed"}
    [connection] = sockets(cluster, alice)
    assert await alice.call("auth.logout") == {}
    assert (await alice.happened("disconnect"))["reason"] == LANGUAGES[client.language].end
    async with asyncio.timeout(WAIT_S):
        while not connection._socket.closed:  # by client or server: some clients do not close it
            await asyncio.sleep(0.005)
    lose_transport(cluster, witness)
    await witness.happened("connect")  # by then the others would have reconnected too
    assert (tries(alice), tries(eve)) == ([], [])


@pytest.mark.client("go")
async def test_a_logout_is_answered_before_the_transport_closes(official: Official):
    [go] = [client for client in CLIENTS_TO_TRY if client.language == "go"]
    everybody = [await official(go, "alice") for _ in range(20)]
    assert await asyncio.gather(*(who.call("auth.logout") for who in everybody)) == [{}] * 20
