"""The second factor: codes of authenticator apps, each accepted once, and recovery codes for a lost app.

Wrong codes block further ones for a while: a minute after five in a row, at most an hour. Recovery codes are too long
to be guessed, and are not blocked: a thief who knows the password cannot lock the user out.
"""

from datetime import datetime
from typing import NamedTuple

from domain import recovery_codes, totp
from domain.sealing import Sealing
from protocol import errors
from storage import second_factors
from storage.database import Transaction
from storage.second_factors import SecondFactorRow


class Proof(NamedTuple):
    """A right code: the step of the app's code, or None for a recovery code, which is used up."""

    step: int | None
    resealed: bytes | None = None


class SecondFactors:
    """sealing: None if the operator has set no keys. Then nobody can switch a second factor on."""

    def __init__(self, sealing: Sealing | None) -> None:
        self._sealing = sealing

    async def begin(self, tx: Transaction, user_id: int) -> str:
        """Keep a new secret for the viewer, and return it. Raises FAILED_PRECONDITION if one is confirmed."""
        secret = totp.new_secret()
        sealed = self._keys.seal(secret.encode(), _owner(user_id))
        if not await second_factors.begin(tx, sealed):
            raise errors.failed_precondition("the second factor is on: switch it off first")
        return secret

    async def check(self, tx: Transaction, user_id: int, code: str, now: datetime) -> Proof | None:
        """Check a code of the viewer's confirmed second factor. Commit also if it is wrong: that is counted.

        Raises FAILED_PRECONDITION without a second factor; RESOURCE_EXHAUSTED while codes are blocked.
        """
        row = await second_factors.lock(tx)
        if row is None or row["confirmed_at"] is None:
            raise errors.failed_precondition("the account has no second factor")
        if len(code) == recovery_codes.LENGTH:
            used = await second_factors.use_recovery_code(tx, recovery_codes.digest(code))
            return Proof(None) if used else None
        return await self._check_totp(tx, user_id, row, code, now, after=row["last_step"])

    async def confirm(self, tx: Transaction, user_id: int, session_id: int, code: str, now: datetime) -> list[str]:
        """Switch the second factor on by its first code. Returns the recovery codes; [] for a wrong code.

        A client that lost the answer may repeat it once, in the same session, within a minute, and unless another code
        was used since. It gets new recovery codes. Commit also if the code is wrong: that is counted.
        """
        row = await second_factors.lock(tx)
        if row is None:
            raise errors.failed_precondition("begin with auth.enable_totp")
        after = row["last_step"]
        if row["confirmed_at"] is not None:
            if not await second_factors.just_confirmed(tx, session_id, row["confirmed_at"]):
                raise errors.failed_precondition("the second factor is on")
            after -= 1  # the code of the confirmation is accepted again
        proof = await self._check_totp(tx, user_id, row, code, now, after=after)
        if proof is None or proof.step is None:
            return []
        codes = recovery_codes.mint()
        await second_factors.confirm(tx, session_id, proof.step, [recovery_codes.digest(each) for each in codes])
        return codes

    async def _check_totp(
        self, tx: Transaction, user_id: int, row: SecondFactorRow, code: str, now: datetime, *, after: int
    ) -> Proof | None:
        if row["blocked_until"] is not None and row["blocked_until"] > now:
            wait_ms = int((row["blocked_until"] - now).total_seconds() * 1_000) + 1
            raise errors.exhausted("too many wrong codes; a recovery code is accepted", wait_ms)
        secret = self._secret(user_id, row)
        step = totp.step_of(secret, code, now, after)
        if step is None:
            await second_factors.failed(tx)
            return None
        return Proof(step, resealed(self._keys, user_id, row["sealed"]))

    def _secret(self, user_id: int, row: SecondFactorRow) -> str:
        return self._keys.unseal(row["sealed"], _owner(user_id)).decode()

    @property
    def _keys(self) -> Sealing:
        if self._sealing is None:
            raise errors.failed_precondition("this installation has no keys for second factors")
        return self._sealing


def resealed(sealing: Sealing, user_id: int, sealed: bytes) -> bytes | None:
    """The user's secret sealed by the first key; None if that has sealed it. Raises CannotUnseal."""
    if sealing.is_current(sealed):
        return None
    return sealing.seal(sealing.unseal(sealed, _owner(user_id)), _owner(user_id))


def _owner(user_id: int) -> str:
    return f"totp:{user_id}"
