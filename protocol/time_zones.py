"""Names of time zones, from the IANA database of the system or of the `tzdata` package."""

from zoneinfo import ZoneInfo

from protocol import errors


def clean(field: str, value: str) -> str:
    """The name as it is. Raises INVALID_ARGUMENT if there is no zone of that name."""
    try:
        return ZoneInfo(value).key
    except (KeyError, ValueError, OSError):  # unknown, not a name, a directory
        raise errors.invalid(field, "is not a time zone such as Africa/Cairo") from None
