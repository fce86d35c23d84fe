"""E-mail: what is sent, over encrypted connections alone, and what a refusal means for address and message."""

import pytest

from senders.email import Email, read_url
from senders.sender import Accepted, DeadToken, Endpoint, Message, Rejected, Retry, Unusable
from tests.senders.certificates import Trust
from tests.senders.mail_server import MailServer

FROM = "DAIRA دائرة <hello@daira.test>"
UNSUBSCRIBE = "mailto:unsubscribe@daira.test"
MONA = Endpoint("email", "mona@users.test", "ar-EG")
HELLO = Message(7, "تعليق جديد من \u2068Ali\u2069", "مرحبا <b>\nثم سطر آخر")


@pytest.fixture
async def server(trust: Trust):
    running = MailServer(trust)
    await running.start()
    yield running
    await running.stop()


def email(
    server: MailServer, trust: Trust | None, *, scheme: str = "smtp", password: str = "p%40ss%3Aword%2F1"
) -> Email:
    address = read_url(f"{scheme}://daira:{password}@localhost:{server.port}")
    return Email(address, FROM, UNSUBSCRIBE, trust.client if trust else None)


@pytest.fixture
def sender(server: MailServer, trust: Trust) -> Email:
    return email(server, trust)


async def test_a_message(sender, server):
    assert await sender.send(MONA, HELLO) == Accepted()
    [message] = server.received
    assert server.recipients == ["mona@users.test"]
    assert message["From"] == FROM
    assert message["To"] == "mona@users.test"
    assert message["Subject"] == HELLO.title
    assert message["Message-ID"] == "<delivery-7@daira.test>"
    assert message["List-Unsubscribe"] == "<mailto:unsubscribe@daira.test>"
    assert message["Auto-Submitted"] == "auto-generated"
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text.get_content().strip().replace("\r\n", "\n") == f"{HELLO.title}\n\n{HELLO.body}"
    assert '<html lang="ar" dir="rtl">' in html.get_content()
    assert "مرحبا &lt;b&gt;" in html.get_content()


async def test_a_repetition_has_the_same_message_id(sender, server):
    for message in (HELLO, HELLO, Message(8, "title", "")):
        await sender.send(MONA, message)
    first, second, other = (message["Message-ID"] for message in server.received)
    assert first == second != other


async def test_each_connection_ends_with_a_farewell(sender, server):
    """Mail servers count connections that end without one against their client."""
    await sender.send(MONA, HELLO)
    await sender.ping()
    assert server.farewells == 2


async def test_tls_from_the_beginning(trust):
    server = MailServer(trust, is_tls=True)
    await server.start()
    assert await email(server, trust, scheme="smtps").send(MONA, HELLO) == Accepted()
    await server.stop()


async def test_a_server_without_encryption_gets_no_password(trust):
    server = MailServer(trust, starts_tls=False)
    await server.start()
    assert await email(server, trust).send(MONA, HELLO) == Retry(
        300, "SMTP STARTTLS extension not supported by server.", True
    )
    assert not server.received
    await server.stop()


async def test_a_server_whose_certificate_is_not_trusted(server):
    assert await email(server, None).send(MONA, HELLO) == Retry(30, "SSLCertVerificationError", True)


async def test_a_wrong_password_is_not_the_address_fault(server, trust):
    sender = email(server, trust, password="wrong")
    assert await sender.send(MONA, HELLO) == Retry(300, "5.7.8", True)
    with pytest.raises(Unusable, match=r"5\.7\.8"):
        await sender.ping()


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("550 5.1.1 No such user", DeadToken("5.1.1")),
        ("550 5.1.10 Null MX", DeadToken("5.1.10")),
        ("550 5.2.1 Mailbox disabled", DeadToken("5.2.1")),
        ("550 5.7.1 Blocked by policy", Rejected("5.7.1")),
        ("550 No", Rejected("550")),
        ("552 5.2.2 Mailbox full", Rejected("5.2.2")),
        ("450 4.2.1 Greylisted", Retry(300, "4.2.1")),
        ("421 4.3.2 Shutting down", Retry(300, "4.3.2", True)),
    ],
)
async def test_what_a_refusal_means(sender, server, answer, outcome):
    server.recipient_answers = [answer]
    assert await sender.send(MONA, HELLO) == outcome
    server.message_answers = [answer]
    assert await sender.send(MONA, HELLO) == outcome
    assert await sender.send(MONA, HELLO) == Accepted()
    assert len(server.received) == 1


@pytest.mark.parametrize("address", ["x,victim@users.test", "x(y)@users.test", "x>@users.test", "منى@users.test", "x"])
async def test_what_is_no_address_to_a_mail_server(sender, server, address):
    """Otherwise the message would go to another address than the account's."""
    assert await sender.send(Endpoint("email", address, "en"), HELLO) == DeadToken("not an address")
    assert not server.received


async def test_a_silent_message_is_not_sent(sender, server):
    assert await sender.send(MONA, Message(1, "", "", silent=True)) == Rejected("silent")
    assert not server.received


async def test_an_outage_is_retried(sender, server):
    assert await sender.ping() == f"at localhost:{server.port}, from {FROM}"
    await server.stop()
    assert await sender.send(MONA, HELLO) == Retry(30, "SMTPConnectError", True)
    with pytest.raises(Unusable, match="SMTPConnectError"):
        await sender.ping()


def test_urls():
    assert read_url("smtp://mail.test") == ("mail.test", 587, None, None, False)
    assert read_url("smtps://u%40x:p%2F@mail.test:2465") == ("mail.test", 2465, "u@x", "p/", True)
    assert read_url("smtps://mail.test").port == 465
    for wrong in ("mail.test", "http://mail.test", "smtp://", "smtp://mail.test:x"):
        with pytest.raises(ValueError):
            read_url(wrong)
    with pytest.raises(ValueError, match="no domain"):
        Email(read_url("smtp://mail.test"), "nobody", UNSUBSCRIBE)
