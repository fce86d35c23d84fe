"""Rules of uploads: the sizes that users may upload, and the parts of a file."""

from typing import NamedTuple

from protocol.media import MediaKind

# One part up to this size, several above it: a phone that loses its network sends one part again.
PART_BYTES = 16 * 1024 * 1024


class UploadRules(NamedTuple):
    """The largest file of each kind, in bytes, and what all files of a user may take together."""

    largest: dict[MediaKind, int]
    quota_bytes: int
    quota_video_ms: int


def part_sizes(size_bytes: int) -> list[int]:
    """The sizes of the parts of a file, in order: all but the last have PART_BYTES."""
    whole, rest = divmod(size_bytes, PART_BYTES)
    return [PART_BYTES] * whole + ([rest] if rest else [])
