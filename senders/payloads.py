"""Payloads that fit: push services refuse more than 4,096 bytes."""

from collections.abc import Callable

import msgspec

from senders.sender import Message
from senders.texts import shorten

LARGEST = 4_096  # bytes


def fitted(message: Message, encode: Callable[[Message], bytes], largest: int = LARGEST) -> bytes | None:
    """Return the encoded message, its body shortened until it fits; None if it does not fit without a body."""
    encoded = encode(message)
    while len(encoded) > largest and message.body:
        size = len(msgspec.json.encode(message.body))
        kept = len(message.body) * max(size - (len(encoded) - largest), 0) // size
        message = msgspec.structs.replace(message, body=shorten(message.body, min(kept, len(message.body) - 1)))
        encoded = encode(message)
    return encoded if len(encoded) <= largest else None
