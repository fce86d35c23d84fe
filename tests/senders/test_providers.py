"""All providers as one: which are configured, how many messages at once, pauses, and counts."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from prometheus_client import REGISTRY

from senders.providers import NOT_CONFIGURED, TIMED_OUT, Providers
from senders.retry_after import retry_after
from senders.sender import Accepted, DeadToken, Endpoint, Message, Outcome, Rejected, Retry

PHONE = Endpoint("fcm", "token", "en")
HELLO = Message(1, "title", "body")


class Scripted:
    """A provider that answers as the test says, and waits while `gate` is closed."""

    most_at_once = 3

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.gate.set()
        self.answers: list[Outcome] = []
        self.asked = 0
        self.under_way = 0
        self.most_under_way = 0
        self.is_closed = False

    async def send(self, device: Endpoint, message: Message) -> Outcome:
        self.asked += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.gate.wait()
        self.under_way -= 1
        return self.answers.pop(0) if self.answers else Accepted()

    async def ping(self) -> str:
        return "here"

    async def close(self) -> None:
        self.is_closed = True


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def counted(provider: str, outcome: str) -> float:
    labels = {"provider": provider, "outcome": outcome}
    return REGISTRY.get_sample_value("daira_sender_messages_total", labels) or 0.0


async def test_a_provider_that_is_not_configured_is_skipped_and_counted():
    before = counted("apns", "not_configured")
    providers = Providers({"fcm": Scripted()})
    assert providers.kinds == {"fcm"}
    assert await providers.send(Endpoint("apns", "token", "en"), HELLO) == NOT_CONFIGURED
    assert counted("apns", "not_configured") == before + 1


async def test_few_messages_at_once():
    sender = Scripted()
    sender.gate.clear()
    providers = Providers({"fcm": sender})
    sending = [asyncio.create_task(providers.send(PHONE, HELLO)) for _ in range(10)]
    while sender.asked < 3:
        await asyncio.sleep(0)
    sender.gate.set()
    assert await asyncio.gather(*sending) == [Accepted()] * 10
    assert (sender.asked, sender.most_under_way) == (10, 3)


async def test_a_message_that_takes_too_long_is_retried():
    sender = Scripted()
    sender.gate.clear()
    providers = Providers({"fcm": sender}, timeout_s=0.01)
    # The fourth waits for its turn until the time is up, or gets it in the very last moment.
    assert await asyncio.gather(*(providers.send(PHONE, HELLO) for _ in range(4))) == [TIMED_OUT] * 4
    assert sender.asked in (3, 4)
    sender.gate.set()
    assert await providers.send(PHONE, HELLO) == Accepted()


async def test_a_provider_that_refuses_everything_is_left_alone_until_then():
    sender, other, clock = Scripted(), Scripted(), Clock()
    providers = Providers({"fcm": sender, "apns": other}, clock=clock)
    sender.answers = [Retry(30, "UNAVAILABLE", is_for_all=True)]
    assert await providers.send(PHONE, HELLO) == Retry(30, "UNAVAILABLE", is_for_all=True)
    clock.now += 29
    assert await providers.send(PHONE, HELLO) == Retry(1, "the provider is paused")
    assert await providers.send(Endpoint("apns", "token", "en"), HELLO) == Accepted()
    assert sender.asked == 1
    clock.now += 1
    assert await providers.send(PHONE, HELLO) == Accepted()


async def test_a_message_that_must_wait_pauses_no_other():
    sender = Scripted()
    sender.answers = [Retry(30, "QUOTA_EXCEEDED")]
    providers = Providers({"fcm": sender})
    await providers.send(PHONE, HELLO)
    assert await providers.send(PHONE, HELLO) == Accepted()


@pytest.mark.parametrize(
    ("outcome", "name"),
    [(Accepted(), "accepted"), (DeadToken("x"), "dead_token"), (Retry(1, "x"), "retry"), (Rejected("x"), "rejected")],
)
async def test_outcomes_are_counted(outcome, name):
    sender = Scripted()
    sender.answers = [outcome]
    before = counted("fcm", name)
    assert await Providers({"fcm": sender}).send(PHONE, HELLO) == outcome
    assert counted("fcm", name) == before + 1


async def test_closing_closes_all():
    senders = {"fcm": Scripted(), "apns": Scripted()}
    await Providers(senders).close()
    assert all(sender.is_closed for sender in senders.values())


def test_messages_that_a_provider_would_refuse_are_not_made():
    with pytest.raises(ValueError, match="64 bytes"):
        Message(1, "title", "body", collapse_key="م" * 33)
    with pytest.raises(ValueError, match="urgent"):
        Message(1, "", "", silent=True, urgent=True)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 60), ("", 60), ("7", 7), (" 7 ", 7), ("0", 1), ("99999999999999999999", 3_600), ("-5", 60), ("x", 60)],
)
def test_retry_after(header, seconds):
    assert retry_after(header, 60) == seconds


def test_retry_after_a_date():
    later = datetime.now(UTC) + timedelta(minutes=10)
    assert 500 < retry_after(format_datetime(later, usegmt=True), 60) <= 600
    assert 500 < retry_after(format_datetime(later.replace(tzinfo=None)), 60) <= 600  # "-0000": UTC
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT", 60) == 1
