"""One-time codes by e-mail: 8 digits that derive from the id of their row under a key of ours.

So no place stores a code, and no queue carries one: the worker that sends it and the node that checks it derive it.
"""

import hashlib
import hmac
from collections.abc import Sequence

DIGITS = 8


class OneTimeCodes:
    """keys: the first makes codes, all recognise them."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = tuple(keys)

    def code(self, code_id: int) -> str:
        return _derive(self._keys[0], code_id)

    def is_right(self, code_id: int, given: str) -> bool:
        return any(hmac.compare_digest(_derive(key, code_id).encode(), given.encode()) for key in self._keys)


def _derive(key: bytes, code_id: int) -> str:
    mac = hmac.new(key, str(code_id).encode(), hashlib.sha256).digest()
    return f"{int.from_bytes(mac[:16]) % 10**DIGITS:0{DIGITS}}"
