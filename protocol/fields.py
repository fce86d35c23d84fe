"""Types of the fields that clients send, with their bounds and normal forms.

The decoder checks patterns and numbers, and `Request` checks the rest: it replaces each field whose type has a `clean`
function by what that returns, and refuses control characters in other strings.
"""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from protocol import codes, emojis, errors, time_zones
from protocol.text import Text

MAX_ID = 2**63 - 1

Clean = Callable[[str, str], str]  # (field, value) → value; raises INVALID_ARGUMENT


def _text_meta(text: Text) -> msgspec.Meta:
    bounds = {"minLength": text.shortest, "maxLength": text.longest}
    return msgspec.Meta(extra_json_schema=bounds, extra={"clean": text.clean})


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
    msgspec.Meta(
        pattern=r"^\s*[^@\s\x00-\x1f]{1,64}@[^@\s\x00-\x1f]{1,180}\.[^@\s\x00-\x1f.]{2,}\s*$",
        max_length=300,
        description="at most 254 characters without the white space around it, which is removed",
        extra={"clean": Text(6, 254, lines=False).clean},
    ),
]
Password = Annotated[str, _text_meta(Text(8, 128, strip=False))]
DisplayName = Annotated[str, _text_meta(Text(1, 50, lines=False))]
Bio = Annotated[str, _text_meta(Text(0, 300))]
PostText = Annotated[str, _text_meta(Text(0, 5_000))]
Hashtag = Annotated[str, _text_meta(Text(1, 101, lines=False))]
CommentText = Annotated[str, _text_meta(Text(0, 2_000))]
CircleName = Annotated[str, _text_meta(Text(1, 50, lines=False))]
CollectionName = Annotated[str, _text_meta(Text(1, 50, lines=False))]
DeviceName = Annotated[str, _text_meta(Text(0, 100, lines=False))]
EmailCode = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^[{codes.DIGITS} -]{{8,16}}$",
        max_length=16,
        description="8 digits, of any script, with or without spaces",
        extra={"clean": codes.clean_digits},
    ),
]
SecondFactorCode = Annotated[
    str,
    msgspec.Meta(
        pattern=rf"^[{codes.DIGITS}A-Za-z -]{{6,24}}$",
        max_length=24,
        description="6 digits of an authenticator app, or a recovery code",
        extra={"clean": codes.clean_second_factor},
    ),
]
Fingerprint = Annotated[str, _text_meta(Text(1, 128, lines=False))]
DeviceToken = Annotated[str, msgspec.Meta(max_length=100)]
PushToken = Annotated[str, msgspec.Meta(min_length=1, max_length=2_048)]
Reason = Annotated[str, _text_meta(Text(0, 300))]
AppealText = Annotated[str, _text_meta(Text(1, 2_000))]
Topic = Annotated[str, _text_meta(Text(1, 150, lines=False))]
ChatTitle = Annotated[str, _text_meta(Text(1, 100, lines=False))]
MessageText = Annotated[str, _text_meta(Text(1, 2_000))]
ChatText = Annotated[str, _text_meta(Text(0, 2_000))]
Filename = Annotated[str, _text_meta(Text(1, 255, lines=False))]
AltText = Annotated[str, _text_meta(Text(0, 1_500))]
ReportText = Annotated[str, _text_meta(Text(0, 1_000))]
CaseNote = Annotated[str, _text_meta(Text(1, 2_000))]
SearchText = Annotated[str, _text_meta(Text(1, 200, lines=False))]
StatusText = Annotated[str, _text_meta(Text(0, 100, lines=False))]
Emoji = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=16,
        description="one emoji that Unicode recommends for general interchange (RGI)",
        extra={"clean": emojis.clean},
    ),
]
Cursor = Annotated[str, msgspec.Meta(min_length=1, max_length=512, description="opaque; from next_cursor")]
PageSize = Annotated[int, msgspec.Meta(ge=1, le=100)]
IdempotencyKey = Annotated[str, msgspec.Meta(pattern=r"^[\x20-\x7e]{1,64}$", max_length=64)]
Locale = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$", max_length=30)]
TimeZone = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[A-Za-z0-9_+/-]{1,40}$",
        max_length=40,
        description="a name of the IANA database, as in Africa/Cairo",
        extra={"clean": time_zones.clean},
    ),
]


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The base of every message from a client. Structs inside it are checked, too."""

    def __post_init__(self) -> None:
        _check(self, "")


def _check(struct: msgspec.Struct, path: str) -> None:
    for name, clean in _cleans(type(struct)):
        value = getattr(struct, name)
        field = f"{path}{name}"
        if value.__class__ is str:
            cleaned = clean(field, value)
            if cleaned != value:
                msgspec.structs.force_setattr(struct, name, cleaned)
        elif value.__class__ is list:
            for index, item in enumerate(value):
                if item.__class__ is str:
                    value[index] = clean(f"{field}[{index}]", item)
                elif isinstance(item, msgspec.Struct):
                    _check(item, f"{field}[{index}].")
        elif isinstance(value, msgspec.Struct):
            _check(value, f"{field}.")


def _clean_other(field: str, value: str) -> str:
    # A pattern's `$` also matches before a final line break.
    if not value.isprintable():
        raise errors.invalid(field, "contains control characters")
    if len(value) == 19 and value.isdecimal() and int(value) > MAX_ID:
        raise errors.invalid(field, "is not an id")
    return value


@cache
def _cleans(struct: type[msgspec.Struct]) -> tuple[tuple[str, Clean], ...]:
    """Each field that can hold text or a struct, with the function that cleans its text."""
    hints = get_type_hints(struct, include_extras=True)
    found = ((name, _clean_of(hint)) for name, hint in hints.items())
    return tuple((name, clean) for name, clean in found if clean is not None)


def _clean_of(hint: Any) -> Clean | None:
    if get_origin(hint) is Annotated:
        base, *metas = get_args(hint)
        for meta in metas:
            if isinstance(meta, msgspec.Meta) and meta.extra and "clean" in meta.extra:
                clean: Clean = meta.extra["clean"]
                return clean
        return _clean_of(base)
    if hint is str or (isinstance(hint, type) and issubclass(hint, msgspec.Struct)):
        return _clean_other
    inner = (_clean_of(argument) for argument in get_args(hint))
    return next((clean for clean in inner if clean is not None), None)
