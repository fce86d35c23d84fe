"""The context of a call: the caller, the services of the process, and the caller's own socket."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Protocol

import msgspec

from channels.broadcaster import Broadcaster
from domain.chat_rules import Windows
from domain.login_challenges import LoginChallenges
from domain.one_time_codes import OneTimeCodes
from domain.password_guesses import Guesses
from domain.passwords import Passwords
from domain.refresh_tokens import RefreshTokens
from domain.second_factors import SecondFactors
from domain.upload_rules import UploadRules
from moderation.rulebook_follower import RulebookFollower
from presence.tracker import Tracker
from presence.typing_audiences import TypingAudiences
from presence.typing_indicators import TypingIndicators
from protocol import errors
from protocol.cursors import Cursors
from protocol.pushes import Push
from protocol.tokens import AccessTokens
from protocol.voice_tokens import VoiceTokens
from senders.subscriptions import PushHosts
from stage.attendance import Attendance
from stage.pulse import Pulse
from stage.recorder import Recorder
from stage.roster import Roster
from storage.budgets import Budget, Budgets
from storage.chat_sends import ChatSends
from storage.database import Database
from storage.explore_pages import ExplorePages
from storage.exposures import Exposures
from storage.feed_ranking import FeedOrder
from storage.feeds import Feeds
from storage.limits import Limits
from storage.object_urls import ObjectUrls
from storage.objects import Objects
from storage.outbox import Outbox
from storage.present_media import MediaPresenter, ShowMedia
from storage.profile_visits import ProfileVisits
from storage.recommendations import Recommendations
from storage.room_entries import RoomEntries
from storage.rule_hits import RuleHits
from storage.search import SearchPlace
from storage.search_engine import SearchEngine
from storage.seen_posts import SeenPosts
from storage.snowflakes import Snowflakes
from storage.stored_orders import StoredOrders
from storage.stranger_chats import StrangerChats
from tracing.traces import Trace


class Viewer(msgspec.Struct, frozen=True):
    """The user who is signed in on the socket, the session, and the expiry of its access token.

    methods: what the key of a service may call; None for a user.
    `is_restricted`: the user is suspended, and may only call methods that say so. Such a socket gets no pushes.
    """

    id: int
    session_id: int
    expires_at: datetime
    methods: frozenset[str] | None = None
    is_restricted: bool = False


@dataclass(frozen=True)
class Services:
    """Built once per process, and shared by all calls."""

    database: Database
    ids: Snowflakes
    outbox: Outbox
    feeds: Feeds
    seen: SeenPosts
    exposures: Exposures
    recommendations: Recommendations
    visits: ProfileVisits
    broadcaster: Broadcaster
    limits: Limits
    budgets: Budgets
    tokens: AccessTokens
    refresh_tokens: RefreshTokens
    cursors: Cursors
    codes: OneTimeCodes
    login_challenges: LoginChallenges
    second_factors: SecondFactors
    passwords: Passwords
    guesses: Guesses
    room_entries: RoomEntries
    roster: Roster
    attendance: Attendance
    pulse: Pulse
    presence: Tracker
    typing: TypingIndicators
    typing_audiences: TypingAudiences
    chat_sends: ChatSends
    chat_windows: Windows
    stranger_chats: StrangerChats
    objects: Objects
    object_urls: ObjectUrls
    upload_rules: UploadRules
    deletion_grace: timedelta
    terms_version: str
    media: MediaPresenter
    voice_tokens: VoiceTokens | None
    recorder: Recorder | None
    explore_pages: ExplorePages
    push_hosts: PushHosts
    search: SearchEngine
    feed_orders: StoredOrders[FeedOrder]
    hashtag_orders: StoredOrders[list[int]]
    people_orders: StoredOrders[list[int]]
    search_orders: StoredOrders[list[SearchPlace]]
    rulebook: RulebookFollower
    rule_hits: RuleHits
    flag_from: float  # spam scores from which workers judge a text
    staff_proof: timedelta | None  # how old a moderator's proof of the second factor may be; None: not required
    webpush_key: str | None  # the public part; None if no web pushes are sent
    now: Callable[[], datetime] = lambda: datetime.now(UTC)


class CallerSocket(Protocol):
    """The socket that the call came from, as far as handlers may change it."""

    connected_at: float  # seconds since 1970

    def sign_in(self, viewer: Viewer) -> None:
        """Sign the socket in, or extend the token of a socket that is signed in."""

    def is_in(self, channel: str) -> bool: ...

    async def watch(self, channels: Mapping[str, int]) -> "asyncio.Future[list[object]]":
        """Put the socket into channels, each with its owner. Pushes that are published after that reach the socket.

        The future is done once the channels are recorded: then a client that reconnects is put into them again.
        """

    async def unwatch(self, channel: str) -> None: ...

    async def leave(self, channel: str) -> bool:
        """Take this socket, and older ones of its session on this node, out of the channel.

        Returns whether one of them was in it.
        """

    def forget_recovery(self) -> None:
        """Make the session unrecoverable: the client loads everything again when it reconnects."""


class Call(msgspec.Struct):
    """One call that is being handled."""

    method: str
    trace: Trace
    services: Services
    signed_in_viewer: Viewer | None
    budget: Budget  # pays for it
    address: str
    user_agent: str | None
    socket: CallerSocket
    disconnects: bool = False
    after_commit_work: list[Callable[[], Awaitable[None]]] = []
    after_reply_work: list[Callable[[], Awaitable[None]]] = []
    after_refusal_work: list[Callable[[], Awaitable[None]]] = []

    @property
    def request_id(self) -> str:
        """The id of the call's trace, which its log lines carry."""
        return self.trace.hex

    @property
    def viewer(self) -> Viewer:
        """Raises UNAUTHENTICATED on an anonymous socket."""
        if self.signed_in_viewer is None:
            raise errors.unauthenticated()
        return self.signed_in_viewer

    @property
    def show_media(self) -> ShowMedia:
        return self.services.media.shown_to(self.viewer.id)

    def sign_in(self, viewer: Viewer) -> None:
        """Sign this socket in, or extend its token, once the call has succeeded."""
        self.after_commit(lambda: _now(partial(self.socket.sign_in, viewer)))

    def forget_recovery(self) -> None:
        """Make the session unrecoverable, once the call has succeeded."""
        self.after_commit(lambda: _now(self.socket.forget_recovery))

    def disconnect(self) -> None:
        """Close the socket after the answer, in a way after which official clients do not reconnect by themselves."""
        self.disconnects = True

    def after_commit(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run this after the commit, before the answer. Only for work that may be lost: a failure is just logged."""
        self.after_commit_work.append(work)

    def push_to_own_devices(self, push: Push) -> None:
        """Push to all devices of the caller, this one included, after the commit. The push may be lost."""
        self.after_commit(partial(self.services.broadcaster.publish_to_users, [self.viewer.id], push))

    def after_reply(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run this after the answer was sent, if the call succeeded."""
        self.after_reply_work.append(work)

    def after_refusal(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run this after an error was sent, for work that must not overtake the error."""
        self.after_refusal_work.append(work)


async def _now(work: Callable[[], None]) -> None:
    work()
