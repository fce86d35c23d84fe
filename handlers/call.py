"""What a handler is given: who calls, the services behind the call, and doors back to the caller's own socket."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

import msgspec

from domain.guesses import Guesses
from domain.passwords import Passwords
from domain.refresh_tokens import RefreshTokens
from presence.tracker import Tracker
from presence.typing_indicators import TypingIndicators
from protocol import errors
from protocol.cursors import Cursors
from protocol.media_tokens import MediaTokens
from protocol.tokens import AccessTokens
from rooms.broadcaster import Broadcaster
from stage.attendance import Attendance
from stage.pulse import Pulse
from stage.roster import Roster
from storage.database import Database
from storage.feeds import Feeds
from storage.limits import Limits
from storage.outbox import Outbox
from storage.shares import Share, Shares
from storage.snowflakes import Snowflakes


class Viewer(msgspec.Struct, frozen=True):
    """Who is signed in on the socket, by which session, and until when its access token lasts."""

    id: int
    session_id: int
    expires_at: datetime


@dataclass(frozen=True)
class Services:
    """Built once a process and shared by all calls."""

    database: Database
    ids: Snowflakes
    outbox: Outbox
    feeds: Feeds
    broadcaster: Broadcaster
    limits: Limits
    shares: Shares
    tokens: AccessTokens
    refresh_tokens: RefreshTokens
    cursors: Cursors
    passwords: Passwords
    guesses: Guesses
    roster: Roster
    attendance: Attendance
    pulse: Pulse
    presence: Tracker
    typing: TypingIndicators
    media_tokens: MediaTokens | None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class CallerSocket(Protocol):
    """The doors back to the socket that the call came from."""

    connected_at: float  # seconds since 1970

    def sign_in(self, viewer: Viewer) -> None:
        """The socket belongs to that session from now on; on a signed-in one, its token is extended."""

    def is_in(self, room: str) -> bool: ...

    async def watch(self, rooms: Mapping[str, int]) -> None:
        """Once it returns, what is published to these rooms, each given with its owner, reaches the socket."""

    async def unwatch(self, room: str) -> None: ...

    async def leave(self, room: str) -> bool:
        """Out of the room, with older sockets of the same session on this node. True where one of them was inside."""

    def forget_recovery(self) -> None:
        """Whoever comes back with what this socket's client knows starts afresh."""


class Call(msgspec.Struct):
    """One call under way."""

    method: str
    number: int  # of this process
    services: Services
    signed_in_viewer: Viewer | None
    share: Share  # pays for it
    address: str
    user_agent: str | None
    socket: CallerSocket
    disconnects: bool = False
    after_commit_work: list[Callable[[], Awaitable[None]]] = []
    after_reply_work: list[Callable[[], Awaitable[None]]] = []
    after_refusal_work: list[Callable[[], Awaitable[None]]] = []

    @property
    def request_id(self) -> str:
        return request_id_of(self.number)

    @property
    def viewer(self) -> Viewer:
        """Raises UNAUTHENTICATED on an anonymous socket."""
        if self.signed_in_viewer is None:
            raise errors.unauthenticated()
        return self.signed_in_viewer

    def sign_in(self, viewer: Viewer) -> None:
        """Of this socket, once the call has succeeded."""
        self.after_commit(lambda: _now(partial(self.socket.sign_in, viewer)))

    def forget_recovery(self) -> None:
        """Once the call has succeeded, a client that comes back by what this socket's knows starts afresh."""
        self.after_commit(lambda: _now(self.socket.forget_recovery))

    def disconnect(self) -> None:
        """End the socket after the answer; official clients do not come back by themselves."""
        self.disconnects = True

    def after_commit(self, work: Callable[[], Awaitable[None]]) -> None:
        """Before the answer, once the transaction stands. What fails here is logged, not told: it may be lost."""
        self.after_commit_work.append(work)

    def after_reply(self, work: Callable[[], Awaitable[None]]) -> None:
        """Once the answer is on its way, and only if the call succeeded."""
        self.after_reply_work.append(work)

    def after_refusal(self, work: Callable[[], Awaitable[None]]) -> None:
        """The same of a call that is refused: what must follow the refusal, not overtake it."""
        self.after_refusal_work.append(work)


# Unique without asking the system for randomness at every call.
_process = secrets.token_hex(6)


def request_id_of(number: int) -> str:
    """What finds the process's call of that number in the logs."""
    return f"{_process}-{number:x}"


async def _now(work: Callable[[], None]) -> None:
    work()
