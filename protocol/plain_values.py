"""Reads arguments that a codec's typed decoder cannot read, as plain Python values.

Two cases need it: JSON with lone surrogates, whose field the error names, and extension types of the official
MessagePack parser. Plain Python is slow, so the bytes and the number of values are bounded.
"""

import re
from datetime import UTC, datetime
from typing import Any

import msgpack
import msgspec

from protocol import errors
from protocol.packets import RequestT, invalid_argument

LARGEST = 64 * 1024  # bytes, or characters, of an argument
MOST_VALUES = 5_000
_SURROGATE = re.compile("[\ud800-\udfff]")
_UNDEFINED = object()


def convert(value: Any, into: type[RequestT]) -> RequestT:
    """The request that the values make up. Raises INVALID_ARGUMENT naming the field."""
    try:
        return msgspec.convert(_Walk().over(value, ""), into)
    except msgspec.ValidationError as error:
        raise invalid_argument(error) from None
    except (RecursionError, TypeError) as error:
        raise errors.invalid("$", str(error)) from None


def unpack(argument: bytes) -> Any:
    """The values of a MessagePack argument. Raises INVALID_ARGUMENT."""
    if len(argument) > LARGEST:
        raise errors.invalid("$", f"an argument with extension types may have up to {LARGEST} bytes")
    try:
        return msgpack.unpackb(argument, ext_hook=_extension, strict_map_key=False)
    except (ValueError, RecursionError, TypeError) as error:  # TypeError: a map whose key is a map
        raise errors.invalid("$", str(error)) from None


class _Walk:
    """Copies values as JSON.stringify does: undefined is left out of maps, and becomes null in arrays."""

    def __init__(self) -> None:
        self._left = MOST_VALUES

    def over(self, value: Any, path: str) -> Any:
        self._left -= 1
        if self._left < 0:
            raise errors.invalid("$", f"has more than {MOST_VALUES} values")
        if isinstance(value, str):
            if not value.isascii() and _SURROGATE.search(value):
                raise errors.invalid(path or "$", "contains a lone surrogate")
            return value
        if isinstance(value, dict):
            return {
                self.over(key, path): self.over(item, f"{path}.{key}" if path else str(key))
                for key, item in value.items()
                if item is not _UNDEFINED
            }
        if isinstance(value, list):
            return [self.over(item, f"{path}[{index}]") for index, item in enumerate(value)]
        return None if value is _UNDEFINED else value


def _extension(code: int, data: bytes) -> Any:
    if code == 0 and len(data) == 1:
        return _UNDEFINED
    if code == 0 and len(data) == 8:  # Date
        milliseconds = int.from_bytes(data, "big", signed=True)
        try:
            return datetime.fromtimestamp(milliseconds / 1_000, UTC)
        except (OverflowError, OSError) as error:
            raise ValueError(f"a date out of range: {error}") from None
    return msgpack.ExtType(code, data)
