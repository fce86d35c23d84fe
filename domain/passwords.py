"""Passwords: the common ones are refused; bcrypt runs in threads, behind a bounded queue."""

import asyncio
import base64
import hashlib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import bcrypt
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from protocol import errors
from protocol.text import fold

COST = 12
_THREADS = 2
_LONGEST_QUEUE = 64
_MOST_OF_ACCOUNT = 4  # of them: an account with many sockets must leave room for others

_SHORTEST = 8  # shorter ones are refused anyway
_COMMON = frozenset(fold(password) for password in FREQUENCY_LISTS["passwords"] if len(password) >= _SHORTEST)

T = TypeVar("T")


def check_new(field: str, password: str) -> None:
    """Raises INVALID_ARGUMENT for a common password, whatever the case of its letters and the script of its digits."""
    if len(set(password)) == 1 or fold(password.strip()) in _COMMON:
        raise errors.invalid(field, "is one of the most common passwords")


class Passwords:
    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="bcrypt")
        self._waiting = 0
        self._waiting_of: Counter[str] = Counter()  # by hash
        self._dummy: bytes | None = None

    async def hash(self, password: str) -> str:
        """Raises RESOURCE_EXHAUSTED if the queue is full."""
        salted = await self._run(lambda: bcrypt.hashpw(_digest(password), bcrypt.gensalt(COST)))
        return salted.decode()

    async def verify(self, password: str, hashed: str | None) -> bool:
        """Takes as long for None (there is no such account) as for a wrong password. Raises RESOURCE_EXHAUSTED."""
        if hashed is None:
            await self._run(lambda: bcrypt.checkpw(_digest(password), self._dummy_hash()))
            return False
        if self._waiting_of[hashed] >= _MOST_OF_ACCOUNT:
            raise errors.exhausted("too many attempts at this account's password at once", 1_000)
        self._waiting_of[hashed] += 1
        try:
            return await self._run(lambda: bcrypt.checkpw(_digest(password), hashed.encode()))
        finally:
            self._waiting_of[hashed] -= 1
            if not self._waiting_of[hashed]:
                del self._waiting_of[hashed]

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _dummy_hash(self) -> bytes:
        if self._dummy is None:
            self._dummy = bcrypt.hashpw(b"nobody", bcrypt.gensalt(COST))
        return self._dummy

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= _LONGEST_QUEUE:
            raise errors.exhausted("too many users sign in at once", 1_000)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1


def _digest(password: str) -> bytes:
    """A digest that fits into the 72 bytes that bcrypt reads, which are only 36 Arabic letters."""
    return base64.b64encode(hashlib.sha256(password.encode()).digest())
