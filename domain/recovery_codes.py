"""Recovery codes: ten of 80 random bits, each good once. PostgreSQL keeps hashes of them."""

import hashlib
import secrets

COUNT = 10
LENGTH = 16
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without 0, 1, l and o


def mint() -> list[str]:
    """Ten new codes, in groups of four."""
    return ["-".join(_group() for _ in range(LENGTH // 4)) for _ in range(COUNT)]


def digest(code: str) -> bytes:
    """The hash of a code without its hyphens."""
    return hashlib.sha256(code.replace("-", "").encode()).digest()


def _group() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(4))
