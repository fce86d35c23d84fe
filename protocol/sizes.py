"""The largest packet of a call, computed from the bounds of its request. Larger ones are refused before decoding.

Typed decoding is fast, but a mebibyte of ids still blocks the event loop of a node for a tenth of a second.
"""

from typing import Any

import msgspec
from msgspec import inspect

_LONGEST_STRING = 4_096  # for strings without a bound, such as tokens
_ESCAPED = 6  # bytes per character in JSON, at most
_DECOMPOSED = 4  # characters before NFC per character after it, at most
_SCALAR = 64  # numbers, times, booleans, enumerations
_PUNCTUATION = 8  # quotes, colons, commas and lengths around a value
_ENVELOPE = 1_024  # type, namespace, id and method of the packet, and blanks


def largest_call(request: type[msgspec.Struct]) -> int:
    """The most bytes that a packet with such a request can have, in either codec.

    Raises TypeError for a request with an unbounded list or a map.
    """
    return _ENVELOPE + _largest(inspect.type_info(request), {})


def _largest(kind: inspect.Type, bounds: dict[str, Any]) -> int:
    """bounds: the JSON Schema of the metadata around the type."""
    match kind:
        case inspect.Metadata():
            return _largest(kind.type, {**bounds, **(kind.extra_json_schema or {})})
        case inspect.UnionType():
            return max(_largest(each, bounds) for each in kind.types)
        case inspect.StructType():
            return _PUNCTUATION + sum(
                _ESCAPED * len(field.encode_name) + _largest(field.type, {}) for field in kind.fields
            )
        case inspect.ListType():
            if kind.max_length is None:
                raise TypeError(f"a list of {kind.item_type} needs a max_length")
            return _PUNCTUATION + kind.max_length * _largest(kind.item_type, {})
        case inspect.StrType():
            return _PUNCTUATION + _ESCAPED * _longest(kind, bounds)
        case inspect.DictType():
            raise TypeError("a map of arbitrary size cannot stand in a request")
        case _:
            return _PUNCTUATION + _SCALAR


def _longest(kind: inspect.StrType, bounds: dict[str, Any]) -> int:
    if "maxLength" in bounds:
        return _DECOMPOSED * int(bounds["maxLength"]) + 100
    return kind.max_length or _LONGEST_STRING
