"""All configured providers as one: bounded, measured, and left alone while they refuse everything."""

import asyncio
import time
from collections.abc import Callable, Mapping

from protocol.devices import DeviceKind
from senders import metrics
from senders.sender import Accepted, DeadToken, Endpoint, Message, Outcome, Rejected, Retry, Sender
from storage.breaker import Breaker
from tracing import traces

MOST_ABOUT_ACCOUNTS = 3  # at once, beside the others
TIMEOUT_S = 20.0  # of one message, with the time that it waits for its turn
NOT_CONFIGURED = Rejected("the provider is not configured")
TIMED_OUT = Retry(30.0, "no answer in time")
_NAMES = {Accepted: "accepted", DeadToken: "dead_token", Retry: "retry", Rejected: "rejected"}


class Providers:
    def __init__(
        self,
        senders: Mapping[DeviceKind, Sender],
        timeout_s: float = TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._senders = dict(senders)
        self._turns = {kind: asyncio.Semaphore(sender.most_at_once) for kind, sender in senders.items()}
        self._turns_about_accounts = {kind: asyncio.Semaphore(MOST_ABOUT_ACCOUNTS) for kind in senders}
        self._timeout_s = timeout_s
        self._clock = clock
        self._breakers = {kind: Breaker(kind, clock) for kind in senders}

    @property
    def kinds(self) -> frozenset[DeviceKind]:
        """The kinds of devices whose provider is configured."""
        return frozenset(self._senders)

    async def send(self, device: Endpoint, message: Message) -> Outcome:
        """Send once, within 20 s; the caller repeats a Retry. Counts what it does not send, too."""
        if device.kind not in self._senders:
            metrics.SENT.labels(device.kind, "not_configured").inc()
            return NOT_CONFIGURED
        started = self._clock()
        breaker = self._breakers[device.kind]
        is_trial = breaker.is_open
        if not breaker.admits():
            outcome: Outcome = Retry(breaker.left_s, "the provider is paused")
        else:
            outcome = await self._send_in_turn(device, message)
            if isinstance(outcome, Retry) and outcome.is_for_all:
                breaker.failed(outcome.reason, outcome.after_s)
            elif is_trial and outcome is not TIMED_OUT:  # others may have been sent before the pause
                breaker.succeeded()
        metrics.SECONDS.labels(device.kind).observe(self._clock() - started)
        metrics.SENT.labels(device.kind, _NAMES[type(outcome)]).inc()
        return outcome

    async def close(self) -> None:
        for sender in self._senders.values():
            await sender.close()

    async def _send_in_turn(self, device: Endpoint, message: Message) -> Outcome:
        turns = self._turns_about_accounts if message.is_about_account else self._turns
        try:
            async with asyncio.timeout(self._timeout_s), turns[device.kind]:
                sending = self._senders[device.kind].send(device, message)
                return await traces.traced(sending, f"send {device.kind}", {"peer.service": device.kind})
        except TimeoutError:
            return TIMED_OUT
