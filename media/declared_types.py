"""Types that clients declare before an upload, and whether the file is what was declared."""

from media.sniff import ACCEPTED, HEIC, JPEG, FileType, Kind

# Other names that browsers and phones use for these types.
ALIASES: dict[str, Kind] = {
    "image/jpg": "image",
    "image/heif": "image",
    "video/x-m4v": "video",
    "audio/3gpp": "audio",
    "audio/m4a": "audio",
    "audio/mp3": "audio",
    "audio/opus": "audio",
    "audio/vnd.wave": "audio",
    "audio/webm": "audio",
    "audio/x-flac": "audio",
    "audio/x-m4a": "audio",
    "audio/x-wav": "audio",
}
KINDS: dict[str, Kind] = {**ALIASES, **{each.content_type: each.kind for each in ACCEPTED}}

_SAME_IMAGE = {"image/jpg": JPEG, "image/heif": HEIC}


def kind_of(content_type: str) -> Kind | None:
    """The kind of a declared type, or None for a type that is not accepted."""
    return KINDS.get(content_type.lower())


def is_as_declared(found: FileType, content_type: str) -> bool:
    """Whether a file of the found type may be declared as `content_type`.

    An image must be what it was declared as. Names of containers of video and sound are used loosely, so those must be
    of the declared kind.
    """
    declared = content_type.lower()
    if not found.can_be(KINDS[declared]):
        return False
    return found.kind != "image" or declared == found.content_type or _SAME_IMAGE.get(declared) == found
