"""The caller's consents: to terms, privacy, learning for feeds, location."""

from handlers.call import Call
from protocol.consents import Consent, ConsentList, GiveConsent, WithdrawConsent
from protocol.rpc import NoArguments, methods
from protocol.timestamps import to_wire
from storage import accounts, consents, feed_ranking
from storage.database import Transaction


@methods.rpc("consent.list", reads=True)
async def list_consents(call: Call, request: NoArguments, tx: Transaction) -> ConsentList:
    """The caller's consents, also those that were withdrawn."""
    return await _load(call, tx)


@methods.rpc("consent.give")
async def give_consent(call: Call, request: GiveConsent, tx: Transaction) -> ConsentList:
    """Agree to a text. A newer version replaces the older one; the same version changes nothing."""
    await consents.give(tx, call.services.ids.mint(), request.purpose, request.version)
    return await _load(call, tx)


@methods.rpc("consent.withdraw")
async def withdraw_consent(call: Call, request: WithdrawConsent, tx: Transaction) -> ConsentList:
    """Withdraw a consent, and delete the data that depend on it: the governorate, or what feeds have learnt.

    Terms and privacy end with the account: `account.delete`.
    """
    await consents.withdraw(tx, call.services.ids.mint(), request.purpose)
    if request.purpose == "location":
        await accounts.set_governorate(tx, call.viewer.id, None)
    else:
        await feed_ranking.forget(tx)
        await call.services.seen.forget(call.viewer.id)
        await call.services.recommendations.forget(call.viewer.id)
    return await _load(call, tx)


async def _load(call: Call, tx: Transaction) -> ConsentList:
    rows = await consents.load(tx, call.viewer.id)
    return ConsentList(
        [
            Consent(
                row.purpose,
                row.version,
                to_wire(row.given_at),
                None if row.withdrawn_at is None else to_wire(row.withdrawn_at),
            )
            for row in rows
        ]
    )
