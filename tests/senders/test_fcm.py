"""FCM: what is sent, one token for many messages, and what each error means for device and message."""

import asyncio
import json

import pytest
from aiohttp import web

from senders.fcm import Fcm
from senders.sender import Accepted, DeadToken, Endpoint, Message, Rejected, Retry, Unusable
from tests.senders.certificates import Trust
from tests.senders.fcm_server import FcmServer, fcm_error

PHONE = Endpoint("fcm", "a-token", "ar-EG")
HELLO = Message(1, "تعليق جديد", "مرحبا", {"type": "comment", "id": "5"}, "comment:5", urgent=True, expires_s=60)


@pytest.fixture
async def server(trust: Trust):
    running = FcmServer(trust)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def fcm(server: FcmServer, trust: Trust):
    sender = Fcm(server.account(), server.url, trust.client)
    yield sender
    await sender.close()


async def test_a_message_with_texts(fcm, server):
    assert await fcm.send(PHONE, HELLO) == Accepted()
    [message] = server.received
    assert message == {
        "token": "a-token",
        "notification": {"title": "تعليق جديد", "body": "مرحبا"},
        "data": {"type": "comment", "id": "5"},
        "android": {
            "priority": "HIGH", "ttl": "60s", "collapse_key": "comment:5", "notification": {"tag": "comment:5"},
        },
        "apns": {"headers": {"apns-priority": "10", "apns-collapse-id": "comment:5"}},
    }  # fmt: skip


async def test_a_silent_message_has_only_data(fcm, server):
    assert await fcm.send(PHONE, Message(1, "", "", {"type": "dismiss"}, silent=True)) == Accepted()
    [message] = server.received
    assert message == {
        "token": "a-token",
        "data": {"type": "dismiss"},
        "android": {"priority": "NORMAL", "ttl": "86400s"},
        "apns": {
            "headers": {"apns-priority": "5", "apns-push-type": "background"},
            "payload": {"aps": {"content-available": 1}},
        },
    }


async def test_a_long_text_is_shortened_to_the_largest_payload(fcm, server):
    for letter in 'aم"😀':
        assert await fcm.send(PHONE, Message(1, "title", letter * 5_000)) == Accepted()
        [message] = server.received
        assert message["notification"]["body"].endswith("…")
        assert len(message["notification"]["body"]) > 300
        server.received.clear()
    assert await fcm.send(PHONE, Message(1, "title", "body", {"a": "x" * 5_000})) == Rejected("too large")


async def test_messages_share_one_access_token(fcm, server):
    assert await asyncio.gather(*(fcm.send(PHONE, HELLO) for _ in range(30))) == [Accepted()] * 30
    assert server.tokens_granted == 1


async def test_an_access_token_is_renewed_before_it_expires(fcm, server):
    server.lifetime_s = 299
    await fcm.send(PHONE, HELLO)
    await fcm.send(PHONE, HELLO)
    assert server.tokens_granted == 2


async def test_a_revoked_access_token_is_replaced(fcm, server):
    await fcm.send(PHONE, HELLO)
    server.valid_token = "another"
    assert await fcm.send(PHONE, HELLO) == Accepted()
    assert server.tokens_granted == 2


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (("404", "NOT_FOUND", "UNREGISTERED"), DeadToken("UNREGISTERED")),
        (("403", "PERMISSION_DENIED", "SENDER_ID_MISMATCH"), DeadToken("SENDER_ID_MISMATCH")),
        (("400", "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.token"), DeadToken("INVALID_ARGUMENT")),
        (("400", "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.data"), Rejected("INVALID_ARGUMENT")),
        (("400", "INVALID_ARGUMENT"), Rejected("INVALID_ARGUMENT")),
        (("404", "NOT_FOUND"), Rejected("NOT_FOUND")),  # the project does not exist: the device may be alive
        (("401", "UNAUTHENTICATED", "THIRD_PARTY_AUTH_ERROR"), Rejected("THIRD_PARTY_AUTH_ERROR")),
        (("403", "PERMISSION_DENIED"), Retry(300, "PERMISSION_DENIED", True)),
        (("429", "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED"), Retry(60, "QUOTA_EXCEEDED")),
        (("500", "INTERNAL", "INTERNAL"), Retry(10, "INTERNAL", True)),
        (("503", "UNAVAILABLE", "UNAVAILABLE"), Retry(10, "UNAVAILABLE", True)),
    ],
)
async def test_what_an_error_means(fcm, server, answer, outcome):
    status, *names = answer
    server.answers = [fcm_error(int(status), *names)]
    assert await fcm.send(PHONE, HELLO) == outcome
    assert await fcm.send(PHONE, HELLO) == Accepted()


async def test_the_code_may_come_after_other_details(fcm, server):
    error = json.loads(fcm_error(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", "message.token").body)
    error["error"]["details"].reverse()
    server.answers = [web.json_response(error, status=400)]
    assert await fcm.send(PHONE, HELLO) == DeadToken("INVALID_ARGUMENT")


@pytest.mark.parametrize(("header", "seconds"), [("120", 120), ("0", 1), ("999999", 3_600), ("soon", 60)])
async def test_a_throttled_message_waits_as_long_as_the_server_says(fcm, server, header, seconds):
    server.answers = [fcm_error(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", Retry_After=header)]
    assert await fcm.send(PHONE, HELLO) == Retry(seconds, "QUOTA_EXCEEDED")


def pages(*statuses: int) -> list[web.Response]:
    return [web.Response(status=status, text="<html>") for status in statuses]


async def test_answers_that_are_not_fcms(fcm, server):
    server.answers = [fcm_error(302, "", Location="http://127.0.0.1:1/"), *pages(502, 200, 404, 429, 500)]
    assert await fcm.send(PHONE, HELLO) == Rejected("302")
    assert await fcm.send(PHONE, HELLO) == Retry(60, "502", True)
    assert await fcm.send(PHONE, HELLO) == Accepted()
    assert await fcm.send(PHONE, HELLO) == Rejected("404")
    assert await fcm.send(PHONE, HELLO) == Retry(60, "429")
    assert await fcm.send(PHONE, HELLO) == Retry(60, "500", True)


async def test_a_token_endpoint_that_refuses_or_fails(fcm, server):
    server.token_answers = [
        *pages(503, 429, 400),
        web.Response(status=307, headers={"Location": "/token"}),
        *pages(200),
    ]
    for outcome in (
        Retry(10, "oauth: 503", True),
        Retry(10, "oauth: 429", True),
        Retry(300, "oauth: 400", True),
        Retry(300, "oauth: 307", True),
    ):
        assert await fcm.send(PHONE, HELLO) == outcome
    assert await fcm.send(PHONE, HELLO) == Retry(10, "oauth: DecodeError", True)
    assert await fcm.send(PHONE, HELLO) == Accepted()


async def test_wrong_credentials_are_not_the_devices_fault(server, trust):
    sender = Fcm(server.account(client_email="another@test.invalid"), server.url, trust.client)
    assert await sender.send(PHONE, HELLO) == Retry(300, "oauth: invalid_grant", True)
    with pytest.raises(Unusable, match="oauth: invalid_grant"):
        await sender.ping()
    await sender.close()


async def test_an_outage_is_retried(fcm, server):
    await fcm.send(PHONE, HELLO)
    await server.stop()
    outcome = await fcm.send(PHONE, HELLO)
    assert isinstance(outcome, Retry)
    assert outcome.is_for_all


async def test_a_server_whose_certificate_is_not_trusted(server):
    sender = Fcm(server.account(), server.url)
    assert await sender.send(PHONE, HELLO) == Retry(10, "oauth: ClientConnectorCertificateError", True)
    await sender.close()


async def test_a_ping_checks_the_credentials(fcm, server):
    assert await fcm.ping() == f"at {server.url}/v1/projects/daira-test/messages:send"
    assert not server.received
