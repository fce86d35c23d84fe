"""Refuses requests to a server that is down at once, instead of letting each wait for its timeout.

States: closed; open for OPEN_S after a failure; then one request tries, and the others are still refused.
"""

import time

OPEN_S = 1.0


class Breaker:
    def __init__(self) -> None:
        self._closes_at = 0.0
        self.is_open = False

    def admits(self) -> bool:
        """Whether a request may be made now. Report how it ends."""
        if not self.is_open:
            return True
        now = time.monotonic()
        if now < self._closes_at:
            return False
        self._closes_at = now + OPEN_S  # this one tries
        return True

    def succeeded(self) -> None:
        self.is_open = False

    def failed(self) -> None:
        self.is_open, self._closes_at = True, time.monotonic() + OPEN_S
