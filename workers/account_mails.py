"""Mails about accounts: codes and notices leave at once, whatever the user's preferences and whoever is online.

A mail is leased while it is sent: if the worker dies, another one sends it again, with the same code. It is repeated
for as long as it is valid.
"""

import asyncio
from datetime import timedelta
from typing import get_args

import structlog
from prometheus_client import Counter

from protocol.account_mails import CodeKind
from senders.sender import Accepted, Endpoint, Message, Outcome, Retry
from senders.texts import account_mail_text
from storage import account_mails
from storage.account_mails import MailRow
from storage.cancellation import end
from storage.reach import OUT_OF_REACH
from workers.job import Tools
from workers.polling_loop import run_polling

BATCH = 50
MOST_UNDER_WAY = 200
LOOK_EVERY_S = 0.25
FIRST_WAIT = timedelta(seconds=2)
LONGEST_WAIT = timedelta(minutes=2)
NOBODY = "no account has the address"

MAILS = Counter("daira_account_mails_total", "Mails about accounts", ["kind", "outcome"])

log = structlog.get_logger()

UnderWay = set[asyncio.Task[None]]


async def send_account_mails(tools: Tools, stop: asyncio.Event) -> None:
    """Send what is due until `stop` is set."""
    under_way: UnderWay = set()
    try:
        await run_polling("account mails", lambda: send_due(tools, under_way), LOOK_EVERY_S, stop)
        await asyncio.gather(*under_way)
    finally:
        await end(*under_way)


async def send_due(tools: Tools, under_way: UnderWay) -> bool:
    """Begin to send the next batch. Returns whether any mail was due. A slow mail server delays no other mail."""
    if len(under_way) >= MOST_UNDER_WAY:
        await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    async with tools.database.transaction() as tx:
        due = await account_mails.take_due(tx, tools.now(), BATCH)
    for mail in due:
        task = asyncio.create_task(_send(tools, mail))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
    return bool(due)


async def _send(tools: Tools, mail: MailRow) -> None:
    address, now = mail["address"], tools.now()
    outcome: Outcome | None = None
    if address is None:
        ended: str | None = NOBODY
    elif mail["expires_at"] <= now:
        ended = "expired"
    else:
        outcome = await tools.providers.send(Endpoint("email", address, mail["locale"]), _message(tools, mail))
        ended = None if isinstance(outcome, Retry) else _named(outcome)
    due_at = None
    if isinstance(outcome, Retry):
        due_at = now + min(max(timedelta(seconds=outcome.after_s), FIRST_WAIT * 2 ** mail["attempts"]), LONGEST_WAIT)
    MAILS.labels(mail["kind"], "later" if ended is None else "sent" if ended == "sent" else "not sent").inc()
    if ended not in ("sent", NOBODY):
        log.warning("a mail about an account was not sent", kind=mail["kind"], outcome=ended or "retried")
    try:
        async with tools.database.transaction() as tx:
            await account_mails.settle(tx, mail["id"], ended, due_at)
    except OUT_OF_REACH as error:
        log.warning("a mail may be sent again after its lease", error=f"{type(error).__name__}: {error}")


def _message(tools: Tools, mail: MailRow) -> Message:
    code = tools.codes.code(mail["id"]) if mail["kind"] in get_args(CodeKind) else ""
    title, body = account_mail_text(mail["locale"], mail["kind"], code or mail["detail"] or "")
    return Message(mail["id"], title, body, urgent=True, is_about_account=True)


def _named(outcome: Outcome) -> str:
    return "sent" if isinstance(outcome, Accepted) else f"failed: {outcome.reason}"
