"""Codes that people type: in Latin, Arabic or Persian digits, in groups."""

import unicodedata

from protocol import errors

DIGITS = "0-9\u0660-\u0669\u06f0-\u06f9"  # as in the brackets of a pattern


def clean_digits(field: str, value: str) -> str:
    """Return 8 Latin digits. Raises INVALID_ARGUMENT."""
    digits = "".join(str(unicodedata.digit(each)) for each in value if each.isdigit())
    if len(digits) != 8:
        raise errors.invalid(field, "has not 8 digits")
    return digits
