"""A pipelined connection to one Redis server, for the realtime paths.

redis-py finds the server, connects and authenticates; then this class takes over the transport. The commands of one
turn of the event loop leave in one write and are answered in order, at a tenth of the cost of a pooled client.
Published messages arrive between answers, in the order in which Redis processed them. States: down → up → down …
"""

import asyncio
import hashlib
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import hiredis
import structlog
from redis.asyncio import Connection
from redis.exceptions import ConnectionError as _ConnectionError
from redis.exceptions import RedisError, ResponseError

from storage.metrics import BREAKER_REFUSED, BULKHEAD_REFUSED
from tracing import traces

RETRY_S = 0.2
ANSWER_TIMEOUT_S = 2.0
PING_EVERY_S = 5.0
READS_BEFORE_SILENCE = 3
CONNECT_TIMEOUT_S = 2.0
OPEN_TIMEOUT_S = 30.0
MOST_UNANSWERED = 20_000
LARGEST_WRITE = 16 * 1024  # bytes: Redis works on these while the next commands are packed

Part = str | bytes | int | float

log = structlog.get_logger()


class LinkDown(_ConnectionError):
    """The server is gone, or another one has taken over."""


class RefusedByServer(_ConnectionError):
    """The server is up, but cannot do this now: it is full or busy, lacks replicas, or is moving these keys."""


class LinkScript:
    """A Lua script, which every link loads and calls by its hash. The text of libraries is put before it."""

    def __init__(self, path: Path, *libraries: Path) -> None:
        self.name = path.stem
        self.text = "\n".join(each.read_text() for each in (*libraries, path))
        self.digest = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class _Unanswered(NamedTuple):
    answer: "asyncio.Future[Any]"
    since: float
    confirmed_for: bytes | None  # a channel: the answer comes as a RESP3 push


class RedisLink(asyncio.Protocol):
    """`on_message` gets the channel and the message. It must neither block nor raise."""

    def __init__(
        self,
        connect: Callable[[], Awaitable[Connection]],
        scripts: Sequence[LinkScript],
        on_message: Callable[[bytes, bytes], None],
        dependency: str,
    ) -> None:
        """dependency: its name in metrics."""
        self.is_up = asyncio.Event()
        self.most_unanswered = MOST_UNANSWERED
        self.answer_timeout_s = ANSWER_TIMEOUT_S
        self.ping_every_s = PING_EVERY_S
        self._loop = asyncio.get_running_loop()
        self._connect = connect
        self._scripts = scripts
        self._on_message = on_message
        self._refused_down = BREAKER_REFUSED.labels(dependency)
        self._refused_full = BULKHEAD_REFUSED.labels(dependency)
        self._transport: asyncio.Transport | None = None
        self._is_open = False
        self._opener: asyncio.Task[Any] | None = None  # the task that may use the link before it is up
        self._unanswered: deque[_Unanswered] = deque()
        self._outbound = bytearray()
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        self._lost: asyncio.Future[str] = self._loop.create_future()  # the reason

    # ------------------------------------------------------------------------------------------ commands

    def call(self, *parts: Part, confirmed_for: bytes | None = None, name: str = "") -> "asyncio.Future[Any]":
        """Send a command; the future holds the answer or RedisError. Raises LinkDown while the link is down.

        name: in traces; by default that of the command.
        """
        if self._transport is None or (not self._is_open and asyncio.current_task() is not self._opener):
            self._refused_down.inc()
            raise LinkDown("the link to Redis is down")
        if len(self._unanswered) >= self.most_unanswered:
            self._refused_full.inc()
            raise LinkDown("too many commands wait for Redis")
        answer: asyncio.Future[Any] = self._loop.create_future()
        if (trace := traces.recording()) is not None:
            trace.watch(answer, name or str(parts[0]), _REDIS)
        self._unanswered.append(_Unanswered(answer, self._loop.time(), confirmed_for))
        if not self._outbound:
            self._loop.call_soon(self._flush)
        self._outbound += hiredis.pack_command(tuple(parts))  # type: ignore[arg-type]
        if len(self._outbound) > LARGEST_WRITE:
            self._flush()
        return answer

    def _flush(self) -> None:
        """Write the commands of one turn of the loop at once: a system call for each costs more than the commands."""
        outbound, self._outbound = self._outbound, bytearray()
        if outbound and self._transport is not None:
            self._transport.write(outbound)

    def listen(self, command: str, channel: str) -> "asyncio.Future[Any]":
        """(S)SUBSCRIBE or (S)UNSUBSCRIBE one channel. Raises RedisError."""
        return self.call(command, channel, confirmed_for=channel.encode())

    def run(self, script: LinkScript, keys: Sequence[str], arguments: Sequence[Part]) -> "asyncio.Future[Any]":
        return self.call("EVALSHA", script.digest, len(keys), *keys, *arguments, name=script.name)

    def reopen(self) -> None:
        """Drop the connection and connect again, including `on_up`."""
        self._lose("what it holds has moved")

    # ------------------------------------------------------------------------------------------ life

    async def keep_up(self, on_up: Callable[[], Awaitable[None]]) -> None:
        """Connect and reconnect endlessly. `on_up` runs before others may use the link."""
        while True:
            try:
                await self._run_once(on_up)
            except (RedisError, OSError) as error:
                log.warning("the link to Redis is down", error=f"{type(error).__name__}: {error}")
            except Exception:
                log.exception("the link to Redis failed")
            await asyncio.sleep(RETRY_S * random.uniform(0.5, 1.5))  # so that nodes do not connect together

    async def _run_once(self, on_up: Callable[[], Awaitable[None]]) -> None:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            connection = await self._connect()  # referenced until the end: its finaliser would close the socket
        assert connection._writer is not None
        transport = cast(asyncio.Transport, connection._writer.transport)
        self._lost = self._loop.create_future()
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)
        transport.set_protocol(self)
        self._transport = transport
        self._opener = asyncio.current_task()
        watch = asyncio.create_task(self._watch())
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                for script in self._scripts:
                    await self.call("SCRIPT", "LOAD", script.text)
                await on_up()
            if not self._lost.done():
                self._is_open = True
                self.is_up.set()
            # Shielded: cancelling this task must not cancel `_lost`, or waiting callers would never get an error.
            raise LinkDown(await asyncio.shield(self._lost))
        finally:
            watch.cancel()
            self._lose("it is being opened again")
            transport.abort()
            connection._reader = connection._writer = None

    async def _watch(self) -> None:
        """Drop the connection when a command has had no answer for two seconds, also during `on_up`."""
        pinged_at = self._loop.time()
        while True:
            await asyncio.sleep(self.answer_timeout_s / 2)
            if self._is_overdue() and await self._is_silent():
                self._lose("Redis does not answer")
            elif self._is_open and not self._unanswered and self._loop.time() - pinged_at > self.ping_every_s:
                pinged_at = self._loop.time()
                self.call("PING")

    def _is_overdue(self) -> bool:
        now = self._loop.time()
        return bool(self._unanswered) and now - self._unanswered[0].since > self.answer_timeout_s

    async def _is_silent(self) -> bool:
        """Whether the answer is really missing: after a pause of this process, it may be received but unread."""
        for _ in range(READS_BEFORE_SILENCE):
            await asyncio.sleep(0)
        return self._is_overdue()

    def _lose(self, reason: str) -> None:
        """Mark the link as down, and fail all waiting callers at once."""
        if self._lost.done():
            return
        self._lost.set_result(reason)
        self.is_up.clear()
        self._is_open = False
        self._transport = None
        self._outbound = bytearray()
        unanswered, self._unanswered = self._unanswered, deque()
        for waiting in unanswered:
            if not waiting.answer.done():
                waiting.answer.set_exception(LinkDown(f"the link to Redis was lost: {reason}"))
                waiting.answer.exception()  # mark it as seen: no caller may be waiting

    # ------------------------------------------------------------------------------------------ from the transport

    def data_received(self, data: bytes) -> None:
        reader = self._reader
        try:
            reader.feed(data)
            while self._transport is not None and (reply := reader.gets()) is not _NOTHING:
                if type(reply) is hiredis.PushNotification:
                    self._pushed(reply)
                else:
                    self._answered(reply)
        except hiredis.ProtocolError as error:
            self._lose(f"Redis was not understood: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        self._lose("Redis closed the connection")

    def _pushed(self, reply: "list[Any]") -> None:
        if reply[0] in (b"message", b"smessage"):
            self._on_message(reply[1], reply[2])
        elif reply[0] in _CONFIRMATIONS:
            if self._unanswered and self._unanswered[0].confirmed_for == reply[1]:
                self._answered(reply)
            else:
                self._lose("what is listened to has moved")

    def _answered(self, reply: Any) -> None:
        answer = self._unanswered.popleft().answer
        if answer.done():
            return  # the caller was cancelled
        if isinstance(reply, hiredis.ReplyError):
            text = str(reply)
            if text.startswith(_ELSEWHERE):
                answer.set_exception(LinkDown(text))
                self._lose(text)
            elif text.startswith(_NOT_NOW):
                answer.set_exception(RefusedByServer(text))
            else:
                answer.set_exception(ResponseError(text))
        else:
            answer.set_result(reply)


_NOTHING = object()
_REDIS: traces.Attributes = {"db.system.name": "redis"}
# Errors of a server that is not, or no longer, the right one.
_ELSEWHERE = ("MOVED", "CLUSTERDOWN", "READONLY", "LOADING", "MASTERDOWN", "NOSCRIPT")
# Errors of the right server, which pass once it has room, its replicas or time again, or has moved all keys of a slot.
# Until then, ASK names the server with the keys that were moved; the others, and other slots, are still here.
_NOT_NOW = ("OOM ", "MISCONF ", "NOREPLICAS ", "ASK ", "TRYAGAIN ", "BUSY ")
# In RESP3 a push confirms each subscribed channel, in place of an answer.
_CONFIRMATIONS = (b"subscribe", b"unsubscribe", b"ssubscribe", b"sunsubscribe")
