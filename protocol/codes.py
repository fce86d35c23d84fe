"""Codes that people type: in Latin, Arabic or Persian digits, in groups."""

import unicodedata

from protocol import errors

DIGITS = "0-9\u0660-\u0669\u06f0-\u06f9"  # as in the brackets of a pattern


def clean_digits(field: str, value: str) -> str:
    """Return 8 Latin digits. Raises INVALID_ARGUMENT."""
    digits = _plain(value)
    if len(digits) != 8 or not digits.isdecimal():
        raise errors.invalid(field, "has not 8 digits")
    return digits


def clean_second_factor(field: str, value: str) -> str:
    """Return 6 Latin digits, or the 16 letters and digits of a recovery code. Raises INVALID_ARGUMENT."""
    code = _plain(value)
    if not ((len(code) == 6 and code.isdecimal()) or len(code) == 16):
        raise errors.invalid(field, "is neither 6 digits nor a recovery code")
    return code


def _plain(value: str) -> str:
    """Lower case, Latin digits, no spaces and hyphens."""
    return "".join(
        str(unicodedata.digit(each)) if each.isdigit() else each.lower() for each in value if each not in " -"
    )
