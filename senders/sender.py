"""The interface of all providers that reach a user outside of their connections: push services and e-mail."""

from typing import Literal, Protocol

import msgspec

Kind = Literal["fcm", "apns", "webpush", "email"]


class Device(msgspec.Struct, frozen=True):
    """A registered device. `token` is the provider's: a push token, a push subscription as JSON, an e-mail address."""

    kind: Kind
    token: str
    locale: str


class Message(msgspec.Struct, frozen=True):
    """One delivery to one device, with texts in the device's language (`senders.texts`)."""

    delivery_id: int
    """The same for each repetition of a delivery: providers and mail programs recognise repetitions by it."""
    title: str
    body: str
    data: dict[str, str] = {}
    """For the app, beside the texts: what to open. Its names and values together stay below 1 KB."""
    collapse_key: str | None = None
    """A later message with the same key replaces this one on the device."""
    silent: bool = False
    """Wakes the app without showing anything, for example to dismiss what was read elsewhere."""
    urgent: bool = False
    """Delivered at once, even to a device that saves power. Silent messages are never urgent."""
    expires_s: int = 86_400
    """Seconds for which the provider keeps the message for a device that is not reachable."""


class Sent(msgspec.Struct, frozen=True, tag="sent"):
    """The provider accepted the message."""


class DeadToken(msgspec.Struct, frozen=True, tag="dead_token"):
    """The provider does not know the token any more, or never did: delete the device."""

    reason: str


class Retry(msgspec.Struct, frozen=True, tag="retry"):
    """The provider is overloaded or out of reach: send the same message again after that many seconds."""

    after_s: float
    reason: str


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The provider does not accept this message, and would not accept it later. The device stays."""

    reason: str


Outcome = Sent | DeadToken | Retry | Refused


class Sender(Protocol):
    """One provider. `senders.providers` bounds how many messages are under way, and counts outcomes."""

    async def send(self, device: Device, message: Message) -> Outcome:
        """Send once. Never raises for what the provider or the network does."""

    async def ping(self) -> str:
        """Return where the provider was reached, for `daira doctor`. Raises if it does not answer, or refuses us."""

    async def close(self) -> None: ...
