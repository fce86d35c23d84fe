"""The Retry-After header: seconds, or a date."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_S = 3_600.0


def retry_after(header: str | None, default_s: float) -> float:
    """Return the seconds that the header asks for, between 1 and 3,600; the default if it is missing or unreadable."""
    asked = (header or "").strip()
    if asked.isascii() and asked.isdecimal():
        seconds = float(asked[:9])
    else:
        try:
            at = parsedate_to_datetime(asked)
            seconds = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
        except ValueError:
            seconds = default_s
    return min(max(seconds, 1.0), LONGEST_S)
