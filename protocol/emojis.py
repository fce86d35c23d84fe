"""Emoji that Unicode recommends for general interchange (RGI), from the data of the `emoji` package."""

import re

import emoji

from protocol import errors

_VARIATION = "\ufe0f"  # selects the picture instead of the text form
_COMPONENTS_AND_QUALIFIED = (emoji.STATUS["component"], emoji.STATUS["fully_qualified"])
_QUALIFIED = {
    sequence.replace(_VARIATION, ""): sequence
    for sequence, data in emoji.EMOJI_DATA.items()
    if data["status"] in _COMPONENTS_AND_QUALIFIED
}
# All forms in Unicode's list, also those without a variation selector, which clients send, too.
_RGI = {sequence: _QUALIFIED[sequence.replace(_VARIATION, "")] for sequence in emoji.EMOJI_DATA}

# Emoji with letters or digits: keycaps, ©, ®, enclosed letters and numbers, flags (shown as a country's code where the
# picture is missing), tags, BACK to ABC, ATM, WC and 100.
_LETTERS = re.compile(
    "[\x00-\xff\u2100-\u214f\u2460-\u24ff\u3200-\u32ff\U0001f100-\U0001f2ff"
    "\U0001f519-\U0001f524\U0001f3e7\U0001f6be\U0001f4af\U000e0000-\U000e007f]"
)


def clean(field: str, value: str) -> str:
    """The qualified form of an RGI emoji. Raises INVALID_ARGUMENT for anything else."""
    try:
        return _RGI[value]
    except KeyError:
        raise errors.invalid(field, "is not an emoji") from None


def can_spell(value: str) -> bool:
    """Whether the emoji shows letters or digits, so that several of them can form words or numbers."""
    return _LETTERS.search(value) is not None
