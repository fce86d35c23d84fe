"""Keys of services: `daira_<8 digits>_<secret>`. The first part is their prefix, by which people recognise them."""

import hashlib
import secrets


def mint() -> tuple[str, str]:
    """A new key, and its prefix."""
    prefix = f"daira_{secrets.token_hex(4)}"
    return f"{prefix}_{secrets.token_urlsafe(32)}", prefix


def digest(key: str) -> bytes:
    """The hash under which PostgreSQL stores it: 256 random bits need no slow one."""
    return hashlib.sha256(key.encode()).digest()
