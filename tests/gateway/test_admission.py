"""Admission: what a token, its absence and each failure lead to, before anything else is done for a client."""

from datetime import UTC, datetime

import pytest
from redis.exceptions import RedisError

from channels.subscriptions import SubscriptionFailed
from engine.close_reasons import CloseReason
from gateway import admission as module
from gateway.admission import Admission, Refused, Unavailable
from handlers.call import Viewer
from protocol import errors
from protocol.tokens import AccessClaims, TokenError
from storage import reach

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Services:
    def __init__(self, fails: Exception | None = None) -> None:
        self.fails = fails
        self.counted: list[tuple[str, str]] = []
        self.limits = self.tokens = self

    def now(self) -> datetime:
        return NOW

    async def hit_address(self, name: str, address: str) -> None:
        self.counted.append((name, address))
        if self.fails is not None:
            raise self.fails

    def verify(self, token: str, now: datetime) -> AccessClaims:
        if self.fails is not None:
            raise self.fails
        assert (token, now) == ("token", NOW)
        return AccessClaims(1, 2, NOW)


async def test_a_token_tells_the_viewer_and_is_not_counted():
    services = Services()
    assert await Admission(services).admit("token", "192.0.2.1") == Viewer(1, 2, NOW)
    assert services.counted == []


async def test_a_client_without_a_token_is_anonymous_and_counted_by_address():
    services = Services()
    assert await Admission(services).admit(None, "192.0.2.1") is None
    assert services.counted == [("handshake", "192.0.2.1")]


@pytest.mark.parametrize("reason", ["expired", "malformed"])
async def test_a_wrong_token_is_refused_with_its_reason(reason):
    with pytest.raises(Refused, match=f"^{reason}$") as refused:
        await Admission(Services(TokenError(reason))).admit("token", "192.0.2.1")
    assert (refused.value.code, refused.value.reason) == ("UNAUTHENTICATED", reason)


async def test_an_address_above_its_limit_reconnects_later():
    with pytest.raises(Unavailable, match="limit") as refused:
        await Admission(Services(errors.exhausted("too many", 1_000))).admit(None, "192.0.2.1")
    assert refused.value.reason is CloseReason.LIMIT


async def test_without_redis_a_client_reconnects_later():
    with pytest.raises(Unavailable) as refused:
        await Admission(Services(RedisError("away"))).admit(None, "192.0.2.1")
    assert refused.value.reason is CloseReason.DEPENDENCY


def test_a_failed_subscription_is_out_of_reach_too():
    assert {*module.HANDSHAKE_OUT_OF_REACH} == {*reach.OUT_OF_REACH, SubscriptionFailed}
    assert module.unavailable(TimeoutError()).reason is CloseReason.DEPENDENCY
