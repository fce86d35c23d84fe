"""The types of fields that clients send: bounds, normal forms, and the names of what is wrong.

Texts are counted in characters after NFC, so their bounds cannot be left to the decoder: a `Request` normalises
and measures every field whose type carries a `Text`, and refuses NUL everywhere.
"""

import re
import unicodedata
from functools import cache
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import msgspec

from protocol import errors

MAX_ID = 2**63 - 1

# Unicode's Stream-Safe Text Format (UAX #15): no language needs more marks on one letter.
MOST_MARKS = 30
_MOST_DECOMPOSED = 4  # characters that NFC can make one of
_MARKS = "".join(re.escape(chr(code)) for code in range(0x300, 0x1F000) if unicodedata.combining(chr(code)))
_TOO_MANY_MARKS = re.compile(f"[{_MARKS}]{{{MOST_MARKS + 1},}}")


class Text(NamedTuple):
    """Bounds of a text, in characters after NFC; `strip` removes white space around it."""

    shortest: int
    longest: int
    strip: bool = True
    lines: bool = True  # False: control characters, line breaks among them, are refused


def _text_meta(text: Text) -> msgspec.Meta:
    bounds = {"minLength": text.shortest, "maxLength": text.longest}
    return msgspec.Meta(extra_json_schema=bounds, extra={"text": text})


Id = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^(0|[1-9][0-9]{0,18})$",
        max_length=19,
        description="Snowflake as a string",
        extra={"snowflake": True},
    ),
]
Username = Annotated[
    str,
    msgspec.Meta(pattern=r"^[A-Za-z0-9_.]{3,30}$", max_length=30, description="3–30 of a–z 0–9 _ . in any case"),
]
Email = Annotated[
    str,
    msgspec.Meta(pattern=r"^[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,180}\.[^@\s\x00-\x1f.]{2,}$", max_length=254),
]
Password = Annotated[str, _text_meta(Text(8, 128, strip=False))]
DisplayName = Annotated[str, _text_meta(Text(1, 50, lines=False))]
Bio = Annotated[str, _text_meta(Text(0, 300))]
PostText = Annotated[str, _text_meta(Text(0, 5_000))]
CircleName = Annotated[str, _text_meta(Text(1, 50, lines=False))]
DeviceName = Annotated[str, _text_meta(Text(0, 100, lines=False))]
Fingerprint = Annotated[str, _text_meta(Text(1, 128, lines=False))]
Reason = Annotated[str, _text_meta(Text(0, 300))]
Topic = Annotated[str, _text_meta(Text(1, 150, lines=False))]
MessageText = Annotated[str, _text_meta(Text(1, 2_000))]
StatusText = Annotated[str, _text_meta(Text(0, 100, lines=False))]
# No letters, digits or ASCII: what everybody in a room is shown unasked says nothing.
Emoji = Annotated[
    str,
    msgspec.Meta(pattern=r"^[^\w\s\x00-\x7f]+$", max_length=16, extra={"text": Text(1, 16, lines=False)}),
]
Cursor = Annotated[str, msgspec.Meta(min_length=1, max_length=512, description="opaque; from next_cursor")]
PageSize = Annotated[int, msgspec.Meta(ge=1, le=100)]
IdempotencyKey = Annotated[str, msgspec.Meta(pattern=r"^[\x20-\x7e]{1,64}$", max_length=64)]
Locale = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", max_length=30)]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of every message that a client sends; structs inside it are checked with it."""

    def __post_init__(self) -> None:
        _check(self, "")


def _check(struct: msgspec.Struct, path: str) -> None:
    for name, rule in _rules(type(struct)):
        value = getattr(struct, name)
        field = f"{path}{name}"
        if value.__class__ is str:
            cleaned = _clean(field, value, rule)
            if cleaned != value:
                msgspec.structs.force_setattr(struct, name, cleaned)
        elif value.__class__ is list:
            for index, item in enumerate(value):
                if item.__class__ is str:
                    value[index] = _clean(f"{field}[{index}]", item, rule)
        elif isinstance(value, msgspec.Struct):
            _check(value, f"{field}.")


def _clean(field: str, value: str, rule: Text | None) -> str:
    if rule is None:
        # Patterns end in `$`, which also matches before a last line break.
        if not value.isprintable():
            raise errors.invalid(field, "contains control characters")
        if len(value) == 19 and value.isdecimal() and int(value) > MAX_ID:
            raise errors.invalid(field, "is not an id")
        return value
    if "\x00" in value:
        raise errors.invalid(field, "contains NUL")
    # Before anything that costs more than a look: normalising long runs of marks takes quadratic time.
    if len(value) > _MOST_DECOMPOSED * rule.longest + 100:
        raise _wrong_length(field, len(value), rule)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise errors.invalid(field, "contains a lone surrogate") from None
        if _TOO_MANY_MARKS.search(value):
            raise errors.invalid(field, f"piles up more than {MOST_MARKS} marks on a letter")
        value = unicodedata.normalize("NFC", value)
    if rule.strip:
        value = value.strip()
    if not rule.shortest <= len(value) <= rule.longest:
        raise _wrong_length(field, len(value), rule)
    if not rule.lines and any(unicodedata.category(character) == "Cc" for character in value):
        raise errors.invalid(field, "contains control characters")
    return value


def _wrong_length(field: str, length: int, rule: Text) -> errors.CallError:
    return errors.invalid(field, f"has {length} characters; {rule.shortest} to {rule.longest} are allowed")


@cache
def _rules(struct: type[msgspec.Struct]) -> tuple[tuple[str, Text | None], ...]:
    """Each field that can hold text or a struct, with its bounds where they are ours to check."""
    hints = get_type_hints(struct, include_extras=True)
    rules = ((name, _rule(hint)) for name, hint in hints.items())
    return tuple((name, rule.text) for name, rule in rules if rule.holds_text)


class _Rule(NamedTuple):
    holds_text: bool
    text: Text | None


def _rule(hint: Any) -> _Rule:
    if get_origin(hint) is Annotated:
        base, *metas = get_args(hint)
        for meta in metas:
            if isinstance(meta, msgspec.Meta) and meta.extra and "text" in meta.extra:
                return _Rule(True, meta.extra["text"])
        return _rule(base)
    if hint is str or (isinstance(hint, type) and issubclass(hint, msgspec.Struct)):
        return _Rule(True, None)
    inner = [_rule(argument) for argument in get_args(hint)]
    return next((rule for rule in inner if rule.holds_text), _Rule(False, None))
