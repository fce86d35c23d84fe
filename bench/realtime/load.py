"""The load generator: thousands of raw sockets in one event loop, which mostly count frames.

A socket's states: upgrading (HTTP) → opening (waits for CONNECT's answer) → counting, where each frame is added to
the crowd's counts, and passed to `on_frame` if it is set.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from bench.realtime import frames

PATIENCE_S = 60.0
ADDRESSES = 64  # one loopback address has 28,000 ports, and a closed port is unusable for a minute

_addresses = itertools.cycle([f"127.0.{number}.1" for number in range(1, ADDRESSES + 1)])

OnFrame = Callable[[bytes], None]
OnPacket = Callable[[dict[str, Any]], None]


class LoadError(Exception):
    """A peer did not do what the benchmark needs."""


class Counts:
    """Counts of a crowd: `frames` received, `reads` they came in, and sockets `lost` that the crowd did not close."""

    def __init__(self) -> None:
        self.frames = 0
        self.reads = 0
        self.lost = 0
        # The first bytes of the newest long frame, and its length: see Socket._counted.
        self.head = b""
        self.length = 1


class Socket(asyncio.Protocol):
    """One raw connection. `ready` resolves to CONNECT's answer; without `auth` the socket only counts frames."""

    def __init__(self, counts: Counts, port: int, auth: dict[str, Any] | None, deflate: bool) -> None:
        self.on_frame: OnFrame | None = None
        self.on_packet: OnPacket | None = None  # gets every packet, from CONNECT's answer on
        self.ready: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._transport: Any = None
        self._counts = counts
        self._port = port
        self._auth = auth
        self._inflater = frames.Inflater() if deflate else None
        self._upgrading = auth is not None
        self._rest = b""
        self._closing = False
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count()

    # ------------------------------------------------------------------------------------------ from the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        if self._auth is None:
            self.ready.set_result({})
            return
        self.on_frame = self._packet
        self._transport.write(frames.upgrade(self._port, self._inflater is not None))

    def data_received(self, chunk: bytes) -> None:
        self._counts.reads += 1
        if self._rest:
            chunk, self._rest = self._rest + chunk, b""
        elif self.on_frame is None and self._counted(chunk):
            return
        if self._upgrading:
            head, found, chunk = chunk.partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._fail(head.splitlines()[0].decode(errors="replace"))
                return
            self._upgrading = False
        self._scan(chunk)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"the connection was closed: {error}")
        if not self._closing:
            self._counts.lost += 1

    # ------------------------------------------------------------------------------------------ frames

    def _counted(self, chunk: bytes) -> bool:
        """Count a chunk without parsing it, if it consists of whole frames like the newest. Returns whether it did."""
        counts = self._counts
        head, size = counts.head, len(chunk)
        amount, odd = divmod(size, counts.length)
        if odd or not chunk.startswith(head, size - counts.length) or chunk.count(head) != amount:
            return False
        counts.frames += amount
        return True

    def _scan(self, chunk: bytes) -> None:
        start, size = 0, len(chunk)
        while size - start >= 2:
            length, header = chunk[start + 1], 2
            if length >= 126:
                header = 4 if length == 126 else 10
                length = int.from_bytes(chunk[start + 2 : start + header], "big")
            end = start + header + length
            if size < start + header or size < end:
                break
            if header == 4:
                self._counts.head, self._counts.length = chunk[start : start + 4], header + length
            self._take(chunk[start], chunk[start + header : end])
            start = end
        self._rest = chunk[start:]

    def _take(self, first: int, payload: bytes) -> None:
        opcode = first & 0x0F
        if first & 0x40 and self._inflater is not None:
            payload = self._inflater.inflate(payload)
        if opcode == frames.BINARY:
            self._counts.frames += 1
            if self.on_frame is not None:
                self.on_frame(payload)
        elif opcode == frames.TEXT and payload == b"2":
            self._transport.write(frames.PONG)
        elif opcode == frames.TEXT and self._auth is not None and payload[:1] == b"0":
            self._transport.write(frames.connect(self._auth))

    def _packet(self, payload: bytes) -> None:
        packet = frames.unpack(payload)
        if self.on_packet is not None:
            self.on_packet(packet)
        match packet["type"]:
            case frames.CONNECT if not self.ready.done():
                self.ready.set_result(packet)
            case frames.CONNECT_ERROR:
                self._fail(str(packet["data"]))
            case frames.ACK if packet["id"] in self._answers:
                self._answers.pop(packet["id"]).set_result(packet["data"][0])
        if self.ready.done() and not self._answers and self.on_packet is None:
            self.on_frame = None

    def _fail(self, reason: str) -> None:
        for waiting in (self.ready, *self._answers.values()):
            if not waiting.done():
                waiting.set_exception(LoadError(reason))
                waiting.exception()  # avoids a warning if nobody waits for it

    # ------------------------------------------------------------------------------------------ calls

    async def call(self, method: str, argument: dict[str, Any]) -> Any:
        """Return the answer's `data`. Raises LoadError, also for an answer that is not ok."""
        if self._transport.is_closing():
            raise LoadError("the connection is closed")
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self.on_frame = self._packet
        self._transport.write(frames.call(number, method, argument))
        said = await asyncio.wait_for(answer, PATIENCE_S)
        if not said["ok"]:
            raise LoadError(f"{method}: {said['error']}")
        return said["data"]

    @property
    def is_closing(self) -> bool:
        return bool(self._transport.is_closing())

    def write(self, sent: bytes) -> None:
        """Write finished frames; their answers are only counted."""
        self._transport.write(sent)

    def listen(self, on_packet: OnPacket) -> None:
        """Pass every packet to `on_packet` from now on."""
        self.on_packet = on_packet
        self.on_frame = self._packet

    def echo(self, calls: Sequence[bytes]) -> None:
        """Send all `calls`, then the next one after each answer, until `on_frame` is None."""
        again = itertools.cycle(calls)
        write = self._transport.write

        def answered(_: bytes) -> None:
            write(next(again))

        self.on_frame = answered
        for call in calls:
            write(call)

    def close(self) -> None:
        self._closing = True
        if self._transport is not None:
            self._transport.abort()


class Answers(NamedTuple):
    """Durations of the calls that succeeded, in ms, and errors of those that failed, by the number of the socket."""

    took: list[float]
    failures: dict[int, str]

    def all(self) -> list[float]:
        """Return all durations. Raises LoadError if a call failed."""
        for said in self.failures.values():
            raise LoadError(f"{len(self.failures)} of {len(self.took) + len(self.failures)} calls failed: {said}")
        return self.took


class Crowd:
    """Sockets that share their counts."""

    def __init__(self) -> None:
        self.counts = Counts()
        self.sockets: list[Socket] = []

    async def connect(
        self,
        ports: Sequence[int],
        auths: Iterable[dict[str, Any] | None],
        *,
        deflate: bool = False,
        at_once: int = 100,
        prepare: Callable[[Socket], None] = lambda socket: None,
    ) -> None:
        """Open a socket for each of `auths`, over the ports in turn; `prepare` gets each socket before it connects."""
        loop = asyncio.get_running_loop()
        targets = zip(itertools.cycle(ports), auths)  # the ports never end

        async def work() -> None:
            for port, auth in targets:
                socket = Socket(self.counts, port, auth, deflate)
                prepare(socket)
                self.sockets.append(socket)
                await loop.create_connection(lambda: socket, "127.0.0.1", port, local_addr=(next(_addresses), 0))  # noqa: B023
                await asyncio.wait_for(socket.ready, PATIENCE_S)

        await asyncio.gather(*(work() for _ in range(at_once)))

    async def call_each(self, calls: Iterable[tuple[int, str, dict[str, Any]]], at_once: int = 50) -> None:
        """Make all calls. calls: number of the socket, method, argument. Raises LoadError."""
        waiting = iter(calls)

        async def work() -> None:
            for number, method, argument in waiting:
                await self.sockets[number].call(method, argument)

        await asyncio.gather(*(work() for _ in range(at_once)))

    async def call_at_pace(self, calls: Sequence[tuple[int, str, dict[str, Any]]], per_second: float) -> "Answers":
        """Start `per_second` calls a second, without waiting for answers."""
        answers = Answers([], {})

        async def work(number: int, method: str, argument: dict[str, Any]) -> None:
            began = time.perf_counter()
            try:
                await self.sockets[number].call(method, argument)
            except (LoadError, TimeoutError) as error:
                answers.failures[number] = f"{type(error).__name__} {error}"
            else:
                answers.took.append((time.perf_counter() - began) * 1_000)

        began, tasks = time.perf_counter(), []
        for position, call in enumerate(calls):
            await asyncio.sleep(max(began + position / per_second - time.perf_counter(), 0))
            tasks.append(asyncio.create_task(work(*call)))
        await asyncio.gather(*tasks)
        return answers

    def close(self) -> None:
        for socket in self.sockets:
            socket.close()
        self.sockets.clear()
