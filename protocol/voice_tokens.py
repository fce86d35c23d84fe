"""LiveKit's access tokens: who may join the voice of a room, and what they may do there.

Claims are those of docs.livekit.io/frontends/reference/tokens-grants. `iss` names the key.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

import jwt

from protocol.live_rooms import Role

# LiveKit checks the expiry when a user connects, and renews tokens of connected users itself.
MEDIA_LIFETIME = timedelta(minutes=10)


class VoiceGrant(NamedTuple):
    """A user's rights in a room of LiveKit: the claims of a token, and of later changes to it."""

    can_publish: bool  # a microphone, nothing else
    can_subscribe: bool = True
    # Chat, hands and reactions go over our socket, which checks, limits and stores them.
    can_publish_data: bool = False
    can_update_own_metadata: bool = False


def voice_grant(role: Role, muted: bool) -> VoiceGrant:
    return VoiceGrant(can_publish=role != "listener" and not muted)


class VoiceTokens:
    """Mints tokens with an API key of the LiveKit server at `url`."""

    def __init__(self, url: str, api_key: str, api_secret: str) -> None:
        self.url = url
        self._api_key = api_key
        self._api_secret = api_secret

    def mint(
        self, *, room_id: int, user_id: int, name: str, role: Role, muted: bool, now: datetime
    ) -> tuple[str, datetime]:
        """The token and its expiry, in whole seconds."""
        expires_at = (now + MEDIA_LIFETIME).replace(microsecond=0)
        claims = {
            "iss": self._api_key,
            "sub": str(user_id),
            "name": name,
            "nbf": int(now.timestamp()),
            "exp": expires_at,
            "video": _claim(room_id, voice_grant(role, muted)),
        }
        return jwt.encode(claims, self._api_secret, algorithm="HS256"), expires_at


def _claim(room_id: int, grant: VoiceGrant) -> dict[str, object]:
    # LiveKit allows much of what a claim leaves out, so refusals are explicit.
    claim: dict[str, object] = {
        "room": str(room_id),
        "roomJoin": True,
        # Moderation goes through our methods: with this claim, a muted cohost could unmute without a check.
        "roomAdmin": False,
        "canSubscribe": grant.can_subscribe,
        "canPublish": grant.can_publish,
        "canPublishData": grant.can_publish_data,
        "canUpdateOwnMetadata": grant.can_update_own_metadata,
    }
    if grant.can_publish:
        # Not empty: LiveKit takes an empty list for all sources.
        claim["canPublishSources"] = ["microphone"]
    return claim
