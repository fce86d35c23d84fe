"""Whether a client may connect: decided by the token of its CONNECT, before anything else is done for it."""

import structlog

from channels.subscriptions import SubscriptionFailed
from domain import api_keys as keys
from engine.close_reasons import CloseReason
from gateway.observability import REFUSED
from handlers.call import Services, Viewer
from protocol.errors import CallError
from protocol.tokens import TokenError
from storage import api_keys, reach
from storage.redis import RedisError

# The errors of a handshake while PostgreSQL or Redis does not answer.
HANDSHAKE_OUT_OF_REACH = (*reach.OUT_OF_REACH, SubscriptionFailed)

log = structlog.get_logger()


class Refused(Exception):
    """The app must act: the client is sent CONNECT_ERROR, after which official clients do not retry by themselves."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class Unavailable(Exception):
    """The transport is closed without CONNECT_ERROR, so that official clients reconnect by themselves."""

    def __init__(self, reason: CloseReason) -> None:
        super().__init__(reason.label)
        self.reason = reason


class Admission:
    def __init__(self, services: Services) -> None:
        self._services = services

    async def admit(self, token: str | None, address: str, key: str | None = None) -> Viewer | None:
        """Return who the token, or the key of a service, belongs to; None without one. Raises Refused, Unavailable.

        Whether the token's session was revoked is checked later, with the query that loads its user.
        """
        try:
            if token is None:
                await self._services.limits.hit_address("handshake", address)
                return await self._admit_key(key, address) if key else None
            claims = self._services.tokens.verify(token, self._services.now())
        except TokenError as error:
            raise Refused("UNAUTHENTICATED", error.reason) from None
        except CallError:
            REFUSED.labels("limit").inc()
            raise Unavailable(CloseReason.LIMIT) from None
        except RedisError as error:
            raise unavailable(error) from error
        return Viewer(claims.user_id, claims.session_id, claims.expires_at, is_restricted=claims.is_restricted)

    async def _admit_key(self, key: str, address: str) -> Viewer:
        try:
            admitted = await api_keys.admit(self._services.database, keys.digest(key), address)
        except reach.OUT_OF_REACH as error:
            raise unavailable(error) from error
        if admitted is None:
            raise Refused("UNAUTHENTICATED", "revoked")
        expires_at, methods = admitted["expires_at"], frozenset(admitted["methods"])
        return Viewer(admitted["user_id"], admitted["session_id"], expires_at, methods)


def unavailable(error: Exception) -> Unavailable:
    """Return the refusal for an error of HANDSHAKE_OUT_OF_REACH."""
    REFUSED.labels("dependency").inc()
    log.warning("a handshake was refused: a service is out of reach", error=f"{type(error).__name__}: {error}")
    return Unavailable(CloseReason.DEPENDENCY)
