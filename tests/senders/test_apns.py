"""APNs: one connection and one token for many messages, and what each reason means for device and message."""

import asyncio
import time

import pytest

from senders.apns import Apns
from senders.sender import Accepted, DeadToken, Endpoint, Message, Rejected, Retry, Unusable
from tests.senders.apns_server import TOPIC, Answer, ApnsServer
from tests.senders.certificates import Trust, make_trust

PHONE = Endpoint("apns", "a" * 64, "ar-EG")
HELLO = Message(1, "تعليق جديد", "مرحبا", {"type": "comment", "id": "5"}, "comment:5", urgent=True, expires_s=60)


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return make_trust(tmp_path_factory.mktemp("tls"), "h2")


@pytest.fixture
async def server(trust: Trust):
    running = ApnsServer(trust)
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def sender(server: ApnsServer, trust: Trust):
    started = Apns(server.key(), TOPIC, server.url, trust.client)
    yield started
    await started.close()


async def test_an_alert(sender, server):
    before = int(time.time())
    assert await sender.send(PHONE, HELLO) == Accepted()
    [(headers, payload)] = server.received
    assert payload == {
        "aps": {"alert": {"title": "تعليق جديد", "body": "مرحبا"}, "sound": "default"}, "type": "comment", "id": "5",
    }  # fmt: skip
    assert (headers["apns-push-type"], headers["apns-priority"]) == ("alert", "10")
    assert headers["apns-collapse-id"] == "comment:5"
    assert 60 <= int(headers["apns-expiration"]) - before < 120


async def test_a_silent_message(sender, server):
    assert await sender.send(PHONE, Message(1, "", "", {"type": "dismiss"}, silent=True)) == Accepted()
    [(headers, payload)] = server.received
    assert payload == {"aps": {"content-available": 1}, "type": "dismiss"}
    assert (headers["apns-push-type"], headers["apns-priority"]) == ("background", "5")
    assert "apns-collapse-id" not in headers


async def test_a_message_keeps_its_id_when_it_is_repeated(sender, server):
    for message in (HELLO, HELLO, Message(2, "title", "body")):
        await sender.send(PHONE, message)
    first, second, other = (headers["apns-id"] for headers, _ in server.received)
    assert first == second != other


async def test_data_cannot_replace_what_apple_reads(sender, server):
    await sender.send(PHONE, Message(1, "title", "body", {"aps": "x"}))
    assert server.received[0][1]["aps"]["alert"]["title"] == "title"


async def test_a_long_text_is_shortened_to_the_largest_payload(sender, server):
    assert await sender.send(PHONE, Message(1, "title", "م" * 5_000)) == Accepted()
    assert server.received[0][1]["aps"]["alert"]["body"].endswith("م…")
    assert await sender.send(PHONE, Message(1, "title", "body", {"a": "x" * 5_000})) == Rejected("too large")


async def test_many_messages_share_one_connection_and_one_token(sender, server):
    server.most_streams = server.answers_together = 10
    assert await asyncio.gather(*(sender.send(PHONE, HELLO) for _ in range(100))) == [Accepted()] * 100
    assert (len(server.connections), len(server.provider_tokens)) == (1, 1)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(400, "BadDeviceToken"), DeadToken("BadDeviceToken")),
        (Answer(400, "DeviceTokenNotForTopic"), DeadToken("DeviceTokenNotForTopic")),
        (Answer(410, "Unregistered", 1_700_000_000_500), DeadToken("Unregistered", 1_700_000_000.5)),
        (Answer(410, "ExpiredToken"), DeadToken("ExpiredToken")),
        (Answer(400, "PayloadEmpty"), Rejected("PayloadEmpty")),
        (Answer(400, "BadTopic"), Rejected("BadTopic")),
        (Answer(413, "PayloadTooLarge"), Rejected("PayloadTooLarge")),
        (Answer(429, "TooManyRequests"), Retry(60, "TooManyRequests")),
        (Answer(429, "TooManyRequests", retry_after="7"), Retry(7, "TooManyRequests")),
        (Answer(429, "TooManyProviderTokenUpdates"), Retry(1_200, "TooManyProviderTokenUpdates", True)),
        (Answer(500, "InternalServerError"), Retry(10, "InternalServerError")),
        (Answer(503, "ServiceUnavailable", retry_after="20"), Retry(20, "ServiceUnavailable", True)),
        (Answer(503, "Shutdown"), Retry(5, "Shutdown", True)),
        (Answer(403, "Forbidden"), Retry(300, "Forbidden", True)),
        (Answer(400, "IdleTimeout"), Retry(1, "IdleTimeout")),
        (Answer(429), Retry(30, "429")),
        (Answer(500), Retry(30, "500")),
        (Answer(418), Rejected("418")),
    ],
)
async def test_what_a_reason_means(sender, server, answer, outcome):
    server.answers = [answer]
    assert await sender.send(PHONE, HELLO) == outcome
    assert await sender.send(PHONE, HELLO) == Accepted()


# Of all reasons in Apple's table: which are about the device, and which about us. All others are about the message.
OF_THE_DEVICE = ["BadDeviceToken", "DeviceTokenNotForTopic", "ExpiredToken", "Unregistered"]
OURS = [
    "BadCertificate", "BadCertificateEnvironment", "Forbidden", "InvalidProviderToken", "MissingProviderToken",
    "TooManyProviderTokenUpdates", "ServiceUnavailable", "Shutdown",
]  # fmt: skip
OF_THE_MESSAGE = [
    "BadCollapseId", "BadExpirationDate", "BadMessageId", "BadPriority", "BadTopic", "DuplicateHeaders",
    "InvalidPushType", "MissingDeviceToken", "MissingTopic", "PayloadEmpty", "TopicDisallowed", "BadPath",
    "MethodNotAllowed", "PayloadTooLarge",
]  # fmt: skip


async def test_only_reasons_about_the_device_end_it(sender, server):
    for reason in (*OF_THE_DEVICE, *OURS, *OF_THE_MESSAGE):
        server.answers = [Answer(400, reason)]
        outcome = await sender.send(PHONE, HELLO)
        assert isinstance(outcome, DeadToken) == (reason in OF_THE_DEVICE), reason
        assert (isinstance(outcome, Retry) and outcome.is_for_all) == (reason in OURS), reason
        assert isinstance(outcome, Rejected) == (reason in OF_THE_MESSAGE), reason


async def test_a_device_that_is_not_registered(sender):
    assert await sender.send(Endpoint("apns", "b" * 64, "en"), HELLO) == DeadToken("BadDeviceToken")


class Clock:
    """A clock that the test sets, in minutes before now."""

    minutes_ago = 0

    def __call__(self) -> float:
        return time.time() - 60 * self.minutes_ago


@pytest.fixture
async def aging(server: ApnsServer, trust: Trust):
    """A sender and its clock, which is 50 minutes slow."""
    clock = Clock()
    clock.minutes_ago = 50
    started = Apns(server.key(), TOPIC, server.url, trust.client, clock)
    yield started, clock
    await started.close()


async def test_a_token_is_reused_for_40_minutes(aging, server):
    sender, clock = aging
    for minutes_ago, tokens in ((50, 1), (11, 1), (9, 2), (0, 2)):
        clock.minutes_ago = minutes_ago
        assert await sender.send(PHONE, HELLO) == Accepted()
        assert len(server.provider_tokens) == tokens


async def test_a_token_that_expired_early_is_replaced(aging, server):
    sender, clock = aging
    await sender.send(PHONE, HELLO)
    server.expired |= server.provider_tokens
    clock.minutes_ago = 29
    assert await sender.send(PHONE, HELLO) == Accepted()
    assert len(server.provider_tokens) == 2


async def test_a_young_token_is_not_replaced(aging, server):
    """Apple refuses new tokens within 20 minutes: then all messages wait."""
    sender, clock = aging
    await sender.send(PHONE, HELLO)
    server.expired |= server.provider_tokens
    clock.minutes_ago = 31
    assert await sender.send(PHONE, HELLO) == Retry(60, "ExpiredProviderToken", True)
    assert len(server.provider_tokens) == 1


@pytest.mark.parametrize("change", [{"key_id": "KEY7654321"}, {"team_id": "TEAM654321"}])
async def test_wrong_credentials_are_not_the_devices_fault(server, trust, change):
    sender = Apns(server.key(**change), TOPIC, server.url, trust.client)
    assert await sender.send(PHONE, HELLO) == Retry(300, "InvalidProviderToken", True)
    with pytest.raises(Unusable, match="InvalidProviderToken"):
        await sender.ping()
    await sender.close()


async def test_a_wrong_key_is_refused_at_start(server):
    with pytest.raises(ValueError, match=r"PEM|key"):
        Apns(server.key(pem="-----BEGIN PRIVATE KEY-----"), TOPIC, server.url)


async def test_go_away_moves_later_messages_to_a_new_connection(sender, server):
    """Also if the connection ends while it is idle: the client sees that only when it writes."""
    for closes in (False, True):
        await sender.send(PHONE, HELLO)
        server.connections[-1].go_away(closes=closes)
        assert await sender.send(PHONE, HELLO) == Accepted()
    assert len(server.connections) == 3
    assert len(server.received) == 4


async def test_a_reset_moves_later_messages_to_a_new_connection(sender, server):
    await sender.send(PHONE, HELLO)
    server.connections[-1].abort()
    assert await asyncio.gather(*(sender.send(PHONE, HELLO) for _ in range(5))) == [Accepted()] * 5
    assert len(server.connections) == 2


async def test_a_message_whose_connection_ends_twice_is_retried(sender, server):
    server.keeps_silent.set()
    sending = asyncio.create_task(sender.send(PHONE, HELLO))
    for _ in range(2):
        await server.asked.wait()
        server.asked.clear()
        server.connections[-1].abort()
    assert await sending == Retry(5, "the connection ended")


async def test_an_outage_pauses_all_messages_and_ends(sender, server):
    await sender.send(PHONE, HELLO)
    await server.stop()
    assert await sender.send(PHONE, HELLO) == Retry(5, "ConnectError", True)
    await server.start(server.port)
    assert await sender.send(PHONE, HELLO) == Accepted()


async def test_a_server_whose_certificate_is_not_trusted(server):
    sender = Apns(server.key(), TOPIC, server.url)
    assert await sender.send(PHONE, HELLO) == Retry(5, "ConnectError", True)
    await sender.close()


async def test_a_ping_checks_the_credentials(sender, server):
    assert await sender.ping() == f"at {server.url}, topic {TOPIC}"
    assert not server.received
