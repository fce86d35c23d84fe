"""The interface of all providers that reach a user outside of their connections: push services and e-mail."""

from typing import Protocol

import msgspec

from protocol.devices import DeviceKind

LONGEST_COLLAPSE_KEY = 64  # bytes; APNs refuses longer ones


class Endpoint(msgspec.Struct, frozen=True):
    """Where a provider reaches a device: its push token, its push subscription as JSON, or an e-mail address."""

    kind: DeviceKind
    token: str
    locale: str


class Message(msgspec.Struct, frozen=True):
    """One delivery to one device, with texts in the device's language (`senders.texts`)."""

    delivery_id: int
    """Repetitions of a delivery have the same id, by which providers and mail programs recognise them."""
    title: str
    body: str
    data: dict[str, str] = {}
    """For the app, beside the texts: what to open. Names and values together stay below 1 KB."""
    collapse_key: str | None = None
    """A later message with the same key replaces this one on the device. At most 64 bytes."""
    silent: bool = False
    """Wakes the app without showing anything, for example to dismiss what was read elsewhere."""
    urgent: bool = False
    """Delivered at once, even to a device that saves power. Silent messages are never urgent."""
    is_about_account: bool = False
    """An e-mail that the user cannot unsubscribe from, as one with a code. Others never delay it."""
    expires_s: int = 86_400
    """Seconds for which the provider keeps the message for a device that is not reachable."""

    def __post_init__(self) -> None:
        if len((self.collapse_key or "").encode()) > LONGEST_COLLAPSE_KEY:
            raise ValueError(f"the collapse key is longer than {LONGEST_COLLAPSE_KEY} bytes")
        if self.silent and self.urgent:
            raise ValueError("a silent message cannot be urgent")


class Accepted(msgspec.Struct, frozen=True):
    """The provider accepted the message."""


class DeadToken(msgspec.Struct, frozen=True):
    """The provider does not know the token any more, or never did: delete the device."""

    reason: str
    since: float | None = None
    """Seconds since 1970, if the provider says when the token died: a device that registered later is alive."""


class Retry(msgspec.Struct, frozen=True):
    """The provider is overloaded or out of reach: send the same message again after that many seconds."""

    after_s: float
    reason: str
    is_for_all: bool = False
    """The provider would not accept any message now: none is sent to it until then."""


class Rejected(msgspec.Struct, frozen=True):
    """The provider does not accept this message, and would not accept it later. The device stays."""

    reason: str


Outcome = Accepted | DeadToken | Retry | Rejected


class Unusable(Exception):
    """A provider does not answer, or rejects our key; the message says which, without secrets."""


class Sender(Protocol):
    """One provider. `Providers` bounds how many messages are under way and how long each takes, and counts outcomes."""

    most_at_once: int

    async def send(self, device: Endpoint, message: Message) -> Outcome:
        """Send once. Never raises for what the provider or the network does."""

    async def ping(self) -> str:
        """Return what answered, for `daira doctor`. Raises Unusable."""

    async def close(self) -> None: ...
