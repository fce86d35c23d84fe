"""Web Push: encryption that a browser can read, a signature that push services accept, and no other host."""

import asyncio
import base64
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey, derive_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from senders.encryption import encrypt
from senders.sender import Accepted, DeadToken, Endpoint, Message, Rejected, Retry, Unusable
from senders.subscriptions import PublicResolver, PushHosts, decoded, read_subscription
from senders.web_push import VapidKey, WebPush
from tests.senders.certificates import Trust
from tests.senders.push_service import Browser, PushService

SUBJECT = "mailto:push@daira.test"
KEY = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
HELLO = Message(1, "تعليق جديد", "مرحبا", {"type": "comment"}, "comment:5", urgent=True, expires_s=60)


@pytest.fixture
async def service(trust: Trust):
    running = PushService(trust, Browser())
    await running.start()
    yield running
    await running.stop()


@pytest.fixture
async def sender(service: PushService, trust: Trust):
    key = VapidKey.read(KEY, SUBJECT)
    service.application_key = key.public
    started = WebPush(key, PushHosts([service.host]), trust.client)
    yield started
    await started.close()


@pytest.fixture
def device(service: PushService) -> Endpoint:
    return Endpoint("webpush", service.subscription, "ar-EG")


def test_the_example_of_rfc_8291():
    browser = EllipticCurvePublicKey.from_encoded_point(
        SECP256R1(),
        decoded("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
    )
    private = derive_private_key(
        int.from_bytes(decoded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big"), SECP256R1()
    )
    body = encrypt(
        b"When I grow up, I want to be a watermelon",
        browser,
        decoded("BTBZMqHH6r4Tts7J_aSIgg"),
        salt=decoded("DGv6ra1nlYgDCS1FRnbzlw"),
        private=private,
    )
    assert body == decoded(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


async def test_a_message(sender, service, device):
    assert await sender.send(device, HELLO) == Accepted()
    [(headers, content)] = service.received
    assert content == {"title": "تعليق جديد", "body": "مرحبا", "data": {"type": "comment"}, "tag": "comment:5"}
    assert (headers["TTL"], headers["Urgency"], len(headers["Topic"])) == ("60", "high", 32)


async def test_messages_with_one_collapse_key_have_one_topic(sender, service, device):
    for key in ("a", "a", "b", None):
        await sender.send(device, Message(1, "title", "body", collapse_key=key))
    first, second, other, none = (headers.get("Topic") for headers, _ in service.received)
    assert first == second != other
    assert none is None


async def test_a_long_text_is_shortened_to_the_largest_payload(sender, service, device):
    assert await sender.send(device, Message(1, "title", "م" * 5_000)) == Accepted()
    assert service.received[0][1]["body"].endswith("م…")
    assert await sender.send(device, Message(1, "title", "body", {"a": "x" * 5_000})) == Rejected("too large")


async def test_messages_to_one_service_share_a_token(sender, service, device):
    assert await asyncio.gather(*(sender.send(device, HELLO) for _ in range(20))) == [Accepted()] * 20
    assert len(service.tokens) == 1


def test_tokens_are_kept_for_a_bounded_number_of_services():
    """Endpoints come from clients. (A second signature of the same claims differs from the first.)"""
    key = VapidKey.read(KEY, SUBJECT)
    first = key.authorization("https://push.example")
    for number in range(99):
        key.authorization(f"https://{number}.push.example")
    assert key.authorization("https://push.example") == first
    key.authorization("https://99.push.example")
    assert key.authorization("https://push.example") != first


async def test_a_silent_message_is_not_sent(sender, service, device):
    """Browsers end a subscription whose messages show nothing."""
    assert await sender.send(device, Message(1, "", "", silent=True)) == Rejected("silent")
    assert not service.received


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ((404, {}), DeadToken("404")),
        ((410, {}), DeadToken("410")),
        ((400, {}), Rejected("400")),
        ((401, {}), Rejected("401")),
        ((413, {}), Rejected("413")),
        ((302, {"Location": "http://127.0.0.1:1/"}), Rejected("302")),
        ((501, {}), Rejected("501")),
        ((200, {}), Accepted()),
        ((202, {}), Accepted()),
        ((204, {}), Accepted()),
        ((408, {}), Retry(10, "408")),
        ((429, {"Retry-After": "90"}), Retry(90, "429")),
        ((429, {}), Retry(60, "429")),
        ((500, {}), Retry(30, "500")),
        ((502, {}), Retry(10, "502")),
        ((503, {}), Retry(30, "503")),
        ((504, {}), Retry(10, "504")),
    ],
)
async def test_what_a_status_means(sender, service, device, answer, outcome):
    service.answers = [answer]
    assert await sender.send(device, HELLO) == outcome
    assert await sender.send(device, HELLO) == Accepted()


async def test_a_subscription_with_another_application_key(service, device, trust):
    """The setting may be wrong, so the device stays."""
    sender = WebPush(VapidKey.read(KEY, SUBJECT), PushHosts([service.host]), trust.client)
    assert await sender.send(device, HELLO) == Rejected("403")
    await sender.close()


async def test_an_outage_is_retried_for_that_service_alone(sender, service, device):
    await service.stop()
    assert await sender.send(device, HELLO) == Retry(30, "ClientConnectorError")
    with pytest.raises(Unusable, match=f"{service.host} does not answer"):
        await sender.ping()


async def test_a_host_that_is_not_listed_any_more(service, device, trust):
    sender = WebPush(VapidKey.read(KEY, SUBJECT), PushHosts(["push.example"]), trust.client)
    assert await sender.send(device, HELLO) == Rejected("has an endpoint at a host that is no known push service")
    assert not service.received
    await sender.close()


async def test_a_ping_names_the_public_key(service, trust):
    """Only hosts that are listed by their whole name are known."""
    sender = WebPush(VapidKey.read(KEY, SUBJECT), PushHosts([service.host, "*.push.example"]), trust.client)
    public_key = VapidKey.read(KEY, SUBJECT).public
    assert await sender.ping() == f"{service.host} answer; the public key is {public_key}"
    await sender.close()


def test_a_key_may_be_pem():
    private = derive_private_key(int.from_bytes(decoded(KEY), "big"), SECP256R1())
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    assert VapidKey.read(pem, SUBJECT).public == VapidKey.read(KEY, SUBJECT).public


@pytest.mark.parametrize("key", ["", "x", "!", "SECRET", "_" * 43, "-----BEGIN X-----"])
def test_a_wrong_key_is_refused(key):
    with pytest.raises(ValueError):
        VapidKey.read(key, SUBJECT)


HOSTS = PushHosts(["push.example", "*.push.example", "127.0.0.1:8443", " ", "Other.Example"])


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://push.example/x", "https://PUSH.example/x", "https://push.example:443/x", "https://a.b.push.example/x",
        "https://127.0.0.1:8443/x", "https://other.example/?a=b",
    ],
)  # fmt: skip
def test_endpoints_at_listed_hosts(endpoint):
    text = Browser().subscription(endpoint)
    assert read_subscription(text, HOSTS).endpoint == endpoint


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://push.example/x", "https://evilpush.example/x", "https://push.example.evil/x", "https://push.example./x",
        "https://push.example:8443/x", "https://push.example@evil/x", "https://evil@push.example/x",
        "https://:pw@push.example/x", "https://127.0.0.1/x", "https://127.0.0.1:8444/x", "https://127.1:8443/x",
        "https://2130706433:8443/x", "https://[::1]/x", "https://[::ffff:127.0.0.1]:8443/x", "https://localhost/x",
        "https://169.254.169.254/latest", "https://evil#push.example", "https://push.example/x#y", "https://evil\\@push.example/",
        "https://evil/.push.example", "https://evil?.push.example", "https://push。example/x", "//push.example/x",
        "push.example", "", "https://", "https://push.example:x/", "https://push.example:99999/", "file:///etc/passwd",
        "https://push.exam\tple/x", "https://push.example/\r\nX: y", "https://push.example/a b",
    ],
)  # fmt: skip
def test_endpoints_elsewhere(endpoint):
    with pytest.raises(ValueError, match="no known push service"):
        read_subscription(Browser().subscription(endpoint), HOSTS)


def test_what_is_no_subscription():
    good = json.loads(Browser().subscription("https://push.example/x"))
    for text in ("", "x", "[]", "{}", '{"endpoint":5}', json.dumps({**good, "keys": {}})):
        with pytest.raises(ValueError, match="not the JSON"):
            read_subscription(text, HOSTS)
    point = decoded(good["keys"]["p256dh"])
    for name, wrong in (
        ("p256dh", ""),
        ("p256dh", "!"),
        ("p256dh", base64.urlsafe_b64encode(point[:-1]).decode()),
        ("p256dh", base64.urlsafe_b64encode(point[:33]).decode()),
        ("p256dh", base64.urlsafe_b64encode(point[:-1] + bytes([point[-1] ^ 1])).decode()),
        ("auth", "AAAA"),
        ("auth", "é"),
    ):
        with pytest.raises(ValueError, match="wrong keys"):
            read_subscription(json.dumps({**good, "keys": {**good["keys"], name: wrong}}), HOSTS)


async def test_a_name_below_a_listed_domain_may_not_be_private():
    """A name that anybody can register may resolve to a server of ours; one that the operator wrote out may."""
    assert await PublicResolver(PushHosts(["localhost:8443"])).resolve("localhost")
    with pytest.raises(OSError, match="localhost has no public address"):
        await PublicResolver(PushHosts(["*.localhost"])).resolve("localhost")
