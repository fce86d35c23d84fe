"""How often a password may be guessed.

Only wrong passwords count, and nobody can lock an account that is not theirs:

* A device with a `device.token` of the account, from an earlier sign-in, has a budget of its own.
* A device whose fingerprint is that of a live session has one too, for each address: a fingerprint is only a claim.
* All others share a budget for each account and address, and one for each address.
* Once an account has had too many wrong passwords from devices that prove nothing, their guesses are slowed down. The
  delay grows, is bounded, and holds neither a connection to PostgreSQL nor a thread.

Whether there is such an account makes no difference to a stranger.
"""

import asyncio
import hashlib
import hmac
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from protocol import errors
from storage.limits import Limits

FIRST_DELAY_S = 0.25
MOST_DELAY_S = 4.0  # below the deadline of a call
MOST_DELAYED = 8  # guesses at one account that a node delays at a time

BY_ACCOUNT, BY_ADDRESS = "login", "login_address"  # names of limits

Budget = tuple[str, str]  # limit, key


class Guess:
    is_wrong = False


class Guesses:
    def __init__(self, limits: Limits, keys: Sequence[bytes]) -> None:
        self._limits = limits
        self._keys = keys
        self._delayed: Counter[str] = Counter()

    def device_token(self, user_id: int, session_id: int) -> str:
        """Proves that the device has signed in to the account. It opens nothing, and lasts as long as our key."""
        return f"{session_id}.{self._mac(self._keys[0], user_id, session_id)}"

    def session_of(self, user_id: int, device_token: str) -> int | None:
        """By which session of that user the token was given out; None where it is not theirs, or not ours."""
        session_id, _, mac = device_token.partition(".")
        if not (session_id.isascii() and session_id.isdecimal() and len(session_id) < 20):
            return None
        ours = [self._mac(key, user_id, int(session_id)) for key in self._keys]
        return int(session_id) if any(hmac.compare_digest(mac.encode(), each.encode()) for each in ours) else None

    @asynccontextmanager
    async def counted(self, *budgets: Budget, slowed: str | None = None) -> AsyncIterator[Guess]:
        """One guess, which counts where the body finds that `is_wrong`.

        slowed: the account, unless the device has proved that it is known there.
        Raises RESOURCE_EXHAUSTED, also for more guesses than may be delayed at once; RedisError.
        """
        guess, counted = Guess(), list[Budget]()
        try:
            for budget in budgets:
                await self._limits.hit(*budget)
                counted.append(budget)
            if slowed is not None:
                counted.append((BY_ACCOUNT, slowed))
                await self._slow_down(slowed, await self._limits.hit_beyond(BY_ACCOUNT, slowed))
            yield guess
        finally:
            if not guess.is_wrong:
                for budget in counted:
                    await self._limits.give_back(*budget)

    async def _slow_down(self, account: str, too_many: int) -> None:
        if too_many <= 0:
            return
        if self._delayed[account] >= MOST_DELAYED:
            raise errors.exhausted("too many guess the password of this account at once", int(MOST_DELAY_S * 1_000))
        self._delayed[account] += 1
        try:
            await asyncio.sleep(min(FIRST_DELAY_S * 2 ** min(too_many, 10), MOST_DELAY_S))
        finally:
            self._delayed[account] -= 1
            if not self._delayed[account]:
                del self._delayed[account]

    @staticmethod
    def _mac(key: bytes, user_id: int, session_id: int) -> str:
        return hmac.new(key, f"{user_id}.{session_id}".encode(), hashlib.sha256).hexdigest()
