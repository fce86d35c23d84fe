"""Limits on guesses at passwords.

Only wrong passwords count, and a user cannot lock out another one:

* A device that sends the `device.token` of an earlier sign-in has a budget of its own.
* A device with the fingerprint of an active session has a budget for each address: a fingerprint proves nothing.
* All other devices share a budget for each account and address, and one for each address.
* After too many wrong passwords from unproven devices, further guesses of such devices at that account are delayed. The
  delay grows up to a bound, and holds neither a connection to PostgreSQL nor a thread.

Answers and times are the same for an account that does not exist.
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
MOST_DELAYED = 8  # guesses at one account at a time, on one node

BY_ACCOUNT, BY_ADDRESS = "login", "login_address"  # names of limits

GuessLimit = tuple[str, str]  # the name of a limit, and the key that it counts


class Guess:
    is_wrong = False


class Guesses:
    def __init__(self, limits: Limits, keys: Sequence[bytes]) -> None:
        self._limits = limits
        self._keys = keys
        self._delayed: Counter[str] = Counter()

    def device_token(self, user_id: int, session_id: int) -> str:
        """A proof that the device has signed in to the account. It gives no access, and expires with its key."""
        return f"{session_id}.{self._mac(self._keys[0], user_id, session_id)}"

    def session_of(self, user_id: int, device_token: str) -> int | None:
        """The session that the token was made for; None if it is another user's, or forged."""
        session_id, _, mac = device_token.partition(".")
        if not (session_id.isascii() and session_id.isdecimal() and len(session_id) < 20):
            return None
        ours = [self._mac(key, user_id, int(session_id)) for key in self._keys]
        return int(session_id) if any(hmac.compare_digest(mac.encode(), each.encode()) for each in ours) else None

    @asynccontextmanager
    async def counted(self, *limits: GuessLimit, slowed: str | None = None) -> AsyncIterator[Guess]:
        """One guess, which counts if the body sets `is_wrong`.

        slowed: the account whose delay applies; None for a device that has signed in to it before.
        Raises RESOURCE_EXHAUSTED, also when too many guesses are being delayed already; RedisError.
        """
        guess, counted = Guess(), list[GuessLimit]()
        try:
            for limit in limits:
                await self._limits.hit(*limit)
                counted.append(limit)
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
            raise errors.exhausted("too many guesses at this account's password at once", int(MOST_DELAY_S * 1_000))
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
