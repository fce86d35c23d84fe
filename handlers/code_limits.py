"""Limits on codes: how many are sent by e-mail, and how many are tried.

Each code by e-mail can also be tried only five times.
"""

from handlers.call import Call
from protocol.limits import Limit

SENT = Limit("code", "5/hour", "codes by e-mail, by account")
SENT_TO = Limit("code_address", "20/hour", "codes by e-mail that an address of the network asks for")
TRIED = Limit("code_try", "30/hour", "codes by e-mail that are tried, by account")
TRIED_FROM = Limit("code_try_address", "60/hour", "codes by e-mail that an address of the network tries")
FACTOR_TRIED = Limit(
    "second_factor_try", "30/hour", "codes of second factors, by session; at a sign-in by account and address"
)

SENDING = (SENT, SENT_TO)
TRYING = (TRIED, TRIED_FROM)


async def count(call: Call, limits: tuple[Limit, Limit], account: str) -> None:
    """Count for the account and for the caller's network address. Raises RESOURCE_EXHAUSTED."""
    by_account, by_address = limits
    await call.services.limits.hit_address(by_address.name, call.address)
    await call.services.limits.hit(by_account.name, account)
