"""LiveKit's access tokens: who may enter a room's voice, and what they may do there.

Claims as in docs.livekit.io/frontends/reference/tokens-grants; the key is told by `iss`, no header is asked for.
"""

from datetime import datetime, timedelta
from typing import NamedTuple

import jwt

from protocol.live_rooms import Role

# Checked when somebody connects; who is connected gets fresh tokens from LiveKit itself.
MEDIA_LIFETIME = timedelta(minutes=10)


class VoiceGrant(NamedTuple):
    """What LiveKit lets somebody do in a room, by the token they came in with and by what it is told later."""

    can_publish: bool  # a microphone, nothing else
    can_subscribe: bool = True
    # Chat, hands and reactions go over our socket, where they are checked, limited and kept.
    can_publish_data: bool = False
    can_update_own_metadata: bool = False


def voice_grant(role: Role, muted: bool) -> VoiceGrant:
    return VoiceGrant(can_publish=role != "listener" and not muted)


class MediaTokens:
    """Mints with the API key that the LiveKit server at `url` knows."""

    def __init__(self, url: str, api_key: str, api_secret: str) -> None:
        self.url = url
        self._api_key = api_key
        self._api_secret = api_secret

    def mint(
        self, *, room_id: int, user_id: int, name: str, role: Role, muted: bool, now: datetime
    ) -> tuple[str, datetime]:
        """The token and its expiry, which is never later than the token's own (whole seconds)."""
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
    # LiveKit allows much of what a claim leaves out, so refusals are written down too.
    claim: dict[str, object] = {
        "room": str(room_id),
        "roomJoin": True,
        # Moderation goes through us: with this a muted cohost could unmute themselves at LiveKit, unchecked.
        "roomAdmin": False,
        "canSubscribe": grant.can_subscribe,
        "canPublish": grant.can_publish,
        "canPublishData": grant.can_publish_data,
        "canUpdateOwnMetadata": grant.can_update_own_metadata,
    }
    if grant.can_publish:
        # Never empty: to LiveKit an empty list means every source.
        claim["canPublishSources"] = ["microphone"]
    return claim
