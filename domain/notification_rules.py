"""Decides on each channel whether and when a notification is sent, and why. `workers/` carry the decisions out."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from domain.quiet_hours import Quiet, silent_until
from protocol.notifications import Channel, Decision, Kind
from protocol.timestamps import to_wire

# Sent at once, whatever the user does: an attacker who is signed in as the user could see and silence them.
URGENT: frozenset[Kind] = frozenset({"security"})


@dataclass(frozen=True)
class Delays:
    """How long a notification stays unseen before it is sent."""

    push: timedelta
    email: timedelta


@dataclass(frozen=True)
class Recipient:
    """A user with preferences, and the channels on which the user can be reached besides sockets."""

    user_id: int
    locale: str
    timezone: str
    channels: Mapping[str, Mapping[str, bool]]  # kind → channel → choice
    quiet_from: time | None
    quiet_until: time | None
    has_push: bool
    has_email: bool

    def wants(self, kind: Kind, channel: Channel) -> bool:
        """By the user's choice; what is urgent cannot be switched off."""
        return kind in URGENT or self.channels.get(kind, {}).get(channel, channel != "email")

    def has(self, channel: Channel) -> bool:
        return {"socket": True, "push": self.has_push, "email": self.has_email}[channel]

    def silent_until(self, at: datetime) -> datetime | None:
        if self.quiet_from is None or self.quiet_until is None:
            return None
        return silent_until(at, Quiet(self.quiet_from, self.quiet_until), ZoneInfo(self.timezone))


class Ruling(NamedTuple):
    """A decision with its time; if `is_due_later`, the channel is decided again at that time."""

    channel: Channel
    decision: Literal["sent", "scheduled", "held", "dropped", "failed"]
    reason: str
    at: datetime

    @property
    def is_due_later(self) -> bool:
        return self.decision in ("scheduled", "held")

    def shown(self) -> Decision:
        return Decision(self.channel, self.decision, self.reason, to_wire(self.at))


def decide(kind: Kind, to: Recipient, delays: Delays, now: datetime, *, is_online: bool) -> list[Ruling]:
    """The first rulings about a notification, one for each channel."""
    push_at, email_at = (now, now) if kind in URGENT else (now + delays.push, now + delays.email)
    return [
        _rule_on_socket(kind, to, now, is_online=is_online),
        rule("push", kind, to, now, push_at),
        rule("email", kind, to, now, email_at),
    ]


def rule_again(channel: Channel, kind: Kind, to: Recipient, now: datetime, *, is_seen: bool, is_online: bool) -> Ruling:
    """The ruling at the time of sending: `scheduled` if it is to be sent now."""
    if kind not in URGENT and is_seen:
        return Ruling(channel, "dropped", "seen", now)
    if kind not in URGENT and is_online and channel == "email":
        return Ruling(channel, "dropped", "online", now)
    return rule(channel, kind, to, now, now)


def rule(channel: Channel, kind: Kind, to: Recipient, now: datetime, at: datetime) -> Ruling:
    """Whether to send on the channel at that time, by the preferences and devices as they are now."""
    if channel == "email" and kind in URGENT:
        return Ruling(channel, "dropped", "a mail to the account's address tells it", now)
    if not to.wants(kind, channel):
        return Ruling(channel, "dropped", "turned off in the preferences", now)
    if not to.has(channel):
        missing = "no address is registered" if channel == "email" else "no device is registered"
        return Ruling(channel, "dropped", missing, now)
    end = None if kind in URGENT else to.silent_until(at)
    if end is not None:
        clock = end.astimezone(ZoneInfo(to.timezone)).strftime("%H:%M")
        return Ruling(channel, "held", f"quiet hours until {clock} {to.timezone}", end)
    seconds = round((at - now).total_seconds())
    return Ruling(channel, "scheduled", f"in {seconds} s if it is unseen then" if seconds else "at once", at)


def _rule_on_socket(kind: Kind, to: Recipient, now: datetime, *, is_online: bool) -> Ruling:
    if not to.wants(kind, "socket"):
        return Ruling("socket", "dropped", "turned off in the preferences", now)
    return Ruling("socket", "sent", "online", now) if is_online else Ruling("socket", "dropped", "offline", now)
