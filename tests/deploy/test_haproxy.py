"""Real HAProxy with the deployed configuration, before real nodes: balance, discovery, addresses, and a drain.

Each deployment has loopback addresses of its own, because the configuration names the ports.
"""

import asyncio
import csv
import random
import signal
import subprocess
import sys

import aiohttp
import pytest
import socketio

from tests.chaos.deployment import Deployment
from tests.deploy.names import Names
from tests.deploy.tools import DEPLOY, program
from tests.faults import soon
from tests.gateway.test_commands import answers
from tests.patience import WAIT_S
from tests.people import NODE, DrivenPerson, Driver

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.timeout(240),
    pytest.mark.skipif(sys.platform != "linux", reason="other systems have one loopback address"),
]

CLIENTS = 12
OWN_ADDRESS = "127.9.9.9"
TLS_ENDS_AT = "127.9.9.10"


class Balanced(Deployment):
    """Servers, and HAProxy before nodes that it finds by DNS."""

    def __init__(self, data_dir) -> None:
        super().__init__(data_dir)
        self._network = f"127.{random.randrange(1, 255)}.{random.randrange(1, 255)}"
        self.address = self.host(1)
        self.url = f"http://{self.address}:8000"
        self.names = Names()

    def host(self, number: int) -> str:
        return f"{self._network}.{number}"

    async def begin(self) -> None:
        await self.begin_servers()
        port = await self.names.open(self.address)
        # -n: with the deployed number, HAProxy needs more descriptors than a user of this machine may have.
        self.processes["haproxy"] = subprocess.Popen(  # noqa: ASYNC220 - as all others here, which `end` waits for
            [program("haproxy"), "-db", "-n", "1000", "-f", DEPLOY / "haproxy" / "haproxy.cfg"],
            env={
                "HAPROXY_ADDRESS": self.address,
                "HAPROXY_RESOLVER": f"{self.address}:{port}",
                "HAPROXY_TRUSTED": f"203.0.113.200 {TLS_ENDS_AT}",
            },
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    async def end(self) -> None:
        self.names.close()
        await super().end()

    async def add_node(self, number: int) -> None:
        """Start a node and let DNS name it. Returns when HAProxy sends it clients."""
        host = self.host(number)
        self.processes[host] = self.start(
            "serve", DAIRA_HOST=host, DAIRA_PORT="8000", DAIRA_SIDECAR_PORT="8001", DAIRA_DRAIN="2",
            DAIRA_TRUSTED_PROXIES="127.0.0.1/32", DAIRA_LOG_LEVEL="warning",
        )  # fmt: skip
        await answers(f"http://{host}:8001/health/ready")
        self.names.addresses.setdefault("gateway", []).append(host)
        assert await soon(self._nodes_up, len(self.names.addresses["gateway"])) == len(self.names.addresses["gateway"])

    async def _nodes_up(self) -> int:
        """Return how many nodes HAProxy sends clients to."""
        rows = csv.DictReader((await read(f"http://{self.address}:8404/;csv")).removeprefix("# ").splitlines())
        return sum(row["pxname"] == "nodes" and row["svname"] != "BACKEND" and row["status"] == "UP" for row in rows)

    async def connections(self, number: int) -> int:
        metrics = await read(f"http://{self.host(number)}:8001/metrics")
        return int(
            sum(float(line.split()[1]) for line in metrics.splitlines() if line.startswith("daira_connections{"))
        )


class Caller:
    """An official Python client that reconnects, and calls all the time. It calls again where the answer was lost."""

    def __init__(self) -> None:
        self.client = socketio.AsyncClient(serializer="msgpack", reconnection_delay=0.1, reconnection_delay_max=0.5)
        self.client.on("connect", self._connected)
        self.client.on("disconnect", self._disconnected)
        self.client.on("connect_error", self._refused)
        self.is_connected, self.is_lost = asyncio.Event(), asyncio.Event()
        self.answers: list[bool] = []
        self.moves = 0
        self.refusals: list[object] = []

    async def _connected(self) -> None:
        self.is_lost.clear()
        self.is_connected.set()

    async def _disconnected(self, reason: str) -> None:
        self.moves += 1
        self.is_connected.clear()
        self.is_lost.set()

    async def _refused(self, reason: object) -> None:
        self.refusals.append(reason)

    async def call_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await asyncio.wait_for(self.is_connected.wait(), WAIT_S)
            calling = asyncio.ensure_future(self._call())
            lost = asyncio.ensure_future(self.is_lost.wait())
            await asyncio.wait({calling, lost}, return_when=asyncio.FIRST_COMPLETED)
            lost.cancel()
            if calling.done() and calling.exception() is None:
                self.answers.append(calling.result()["ok"])
            else:
                calling.cancel()
            await asyncio.sleep(0.02)

    async def _call(self) -> dict:
        return await self.client.call("user.me", {}, timeout=WAIT_S)


async def read(url: str) -> str:
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        return await response.text()


@pytest.fixture(scope="module")
async def balanced(tmp_path_factory):
    running = Balanced(tmp_path_factory.mktemp("balanced") / "data")
    try:
        await running.begin()
        await running.add_node(2)
        yield running
    finally:
        await running.end()


async def test_clients_move_when_their_node_drains(balanced):
    """Twelve clients call all the time, a second node appears in DNS, and the first one drains."""
    tokens = await balanced.tokens([f"user_{number}" for number in range(CLIENTS)])
    callers = [Caller() for _ in tokens]
    driver = Driver(*NODE)
    await driver.start()
    follower = DrivenPerson("follower", "", driver)
    try:
        for caller, token in zip(callers, tokens, strict=True):
            await caller.client.connect(balanced.url, auth={"token": token}, transports=["websocket"])
        await follower.connect(balanced.url, "json", {"token": tokens[0]}, reconnectionDelay=100)
        await follower.expect("session.ready")
        assert await balanced.connections(2) == CLIENTS + 1
        stop = asyncio.Event()
        calling = [asyncio.ensure_future(caller.call_until(stop)) for caller in callers]
        await balanced.add_node(3)
        balanced.processes[balanced.host(2)].send_signal(signal.SIGTERM)
        assert await soon(lambda: balanced.connections(3), CLIENTS + 1) == CLIENTS + 1
        assert await asyncio.to_thread(balanced.processes[balanced.host(2)].wait, WAIT_S) == 0
        before = [len(caller.answers) for caller in callers]
        while any(len(caller.answers) < count + 5 for caller, count in zip(callers, before, strict=True)):
            await asyncio.sleep(0.05)
        stop.set()
        await asyncio.gather(*calling)
        for caller in callers:
            assert all(caller.answers)
            assert caller.moves == 1
            assert caller.refusals == []
        assert (await follower.call("user.me"))["username"] == "user_0"
    finally:
        for caller in callers:
            await caller.client.disconnect()
        await follower.close()
        await driver.stop()
    # The node returns at its old address, and gets clients again.
    balanced.names.addresses["gateway"].remove(balanced.host(2))
    await balanced.add_node(2)


async def test_polling_is_refused_at_once_with_the_reason(balanced):
    client = socketio.AsyncClient(reconnection=False)
    with pytest.raises(socketio.exceptions.ConnectionError):
        await client.connect(balanced.url, transports=["polling"])
    assert "Transport unknown" in await read(f"{balanced.url}/socket.io/?EIO=4&transport=polling")


async def address_seen(balanced, name: str, peer: str, forwarded: str) -> str:
    """Return the client's address as a node sees it. peer: the address that connects to HAProxy."""
    connector = aiohttp.TCPConnector(local_addr=(peer, 0))
    async with aiohttp.ClientSession(connector=connector) as session:
        client = socketio.AsyncClient(reconnection=False, http_session=session)
        await client.connect(balanced.url, headers={"X-Forwarded-For": forwarded}, transports=["websocket"])
        account = {"username": name, "email": f"{name}@example.com", "password": "a long passphrase"}
        assert (await client.call("auth.register", account))["ok"]
        sessions = await client.call("session.list", {})
        await client.disconnect()
    [found] = sessions["data"]["items"]
    return found["ip"]


async def test_nodes_see_the_address_of_the_client_and_no_forged_one(balanced):
    assert await address_seen(balanced, "sami", OWN_ADDRESS, "203.0.113.9") == OWN_ADDRESS


async def test_a_proxy_that_ends_tls_names_its_client(balanced):
    """It has added the client's address to what the client had forged."""
    assert await address_seen(balanced, "hoda", TLS_ENDS_AT, "198.51.100.7, 203.0.113.9") == "203.0.113.9"
