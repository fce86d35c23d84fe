"""Fingerprints of texts, by which the same text is known again however it is spaced, marked or stretched."""

import hashlib

from moderation.disguises import squeezed

_SHORTEST = 12  # letters and digits: shorter texts repeat by chance


def text_fingerprint(text: str) -> int | None:
    """A signed 64-bit number; None for a short text."""
    folded = squeezed(text)
    if len(folded) < _SHORTEST:
        return None
    return int.from_bytes(hashlib.blake2b(folded.encode(), digest_size=8).digest(), "big", signed=True)
