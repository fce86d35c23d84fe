"""The caller's own password, which changes of the account ask for again.

Verifying it takes 0.2 s and holds no transaction. So the transaction that follows checks that it still stands.
"""

from domain import password_guesses
from handlers.call import Call
from protocol import errors
from storage import accounts
from storage.database import Transaction


async def confirm_password(call: Call, password: str) -> str:
    """Returns its hash. Raises INVALID_ARGUMENT if it is not the caller's; RESOURCE_EXHAUSTED after wrong ones."""
    viewer = call.viewer
    # Counted by session: an attacker who guesses in another session must not use up this user's guesses.
    async with call.services.guesses.counted((password_guesses.BY_ACCOUNT, f"session:{viewer.session_id}")) as guess:
        async with call.services.database.transaction(viewer.id, budget=call.budget) as tx:
            known_hash = await accounts.password_hash(tx, viewer.id)
        if known_hash is None or not await call.services.passwords.verify(password, known_hash):
            guess.is_wrong = True
            raise errors.invalid("password", "is wrong")
    return known_hash


async def check_still_confirmed(call: Call, tx: Transaction, confirmed_hash: str) -> None:
    """Raises INVALID_ARGUMENT if the password was changed since; UNAUTHENTICATED if the session was revoked.

    The password cannot change until the transaction ends.
    """
    if not await accounts.password_stands(tx, call.viewer.id, confirmed_hash):
        raise errors.invalid("password", "is wrong")
    await check_session(call, tx)


async def check_session(call: Call, tx: Transaction) -> None:
    """Raises UNAUTHENTICATED if the caller's session was revoked during the call."""
    if not await accounts.session_stands(tx, call.viewer.session_id):
        raise errors.unauthenticated("the session has ended: sign in again")
