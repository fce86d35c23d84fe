"""The presence of a user as watchers see it."""

import secrets
from datetime import UTC, datetime
from typing import cast

from protocol.presence import Presence, PresenceChanged, ShownStatus
from protocol.timestamps import to_wire


def shown(user_id: int, status: bytes | None, text: bytes | None, seen: bytes | None) -> Presence:
    """The presence as Redis holds it. seen: s since 1970."""
    known = cast(ShownStatus, status.decode() if status else "offline")
    was_seen = datetime.fromtimestamp(int(seen), UTC) if seen and known == "offline" else None
    return Presence(
        user_id=str(user_id),
        status=known,
        text=text.decode() if text else "",
        last_seen_at=to_wire(was_seen) if was_seen else None,
    )


def unknown(user_id: int) -> Presence:
    """The presence that users see who may not watch this user."""
    return Presence(user_id=str(user_id), status="offline", text="", last_seen_at=None)


def changed(presence: Presence) -> PresenceChanged:
    return PresenceChanged(id=f"presence.changed:{presence.user_id}:{secrets.token_hex(6)}", presence=presence)
