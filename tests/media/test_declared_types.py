"""What a client declares, and what the file is."""

import pytest

from media import sniff
from media.declared_types import is_as_declared, kind_of


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("image/png", "image"),
        ("IMAGE/PNG", "image"),
        ("image/heif", "image"),
        ("video/quicktime", "video"),
        ("audio/x-m4a", "audio"),
        ("image/svg+xml", None),
        ("image/tiff", None),
        ("video/x-msvideo", None),
        ("text/html", None),
    ],
)
def test_types_are_of_a_kind_or_refused(content_type, kind):
    assert kind_of(content_type) == kind


@pytest.mark.parametrize(
    ("found", "content_type", "expected"),
    [
        (sniff.PNG, "image/png", True),
        (sniff.PNG, "Image/PNG", True),
        (sniff.PNG, "image/jpeg", False),
        (sniff.JPEG, "image/jpg", True),
        (sniff.PNG, "image/jpg", False),
        (sniff.HEIC, "image/heif", True),
        (sniff.AVIF, "image/heif", False),
        (sniff.AVIF, "image/heic", False),
        (sniff.MOV, "video/mp4", True),
        (sniff.MP4, "audio/mp4", True),  # a container of video may hold sound alone
        (sniff.WEBM, "audio/webm", True),
        (sniff.M4A, "video/mp4", False),
        (sniff.MP3, "audio/ogg", True),
        (sniff.PNG, "video/mp4", False),
        (sniff.GIF, "video/mp4", False),
        (sniff.MP4, "image/avif", False),
    ],
)
def test_a_file_must_be_what_it_was_declared_as(found, content_type, expected):
    assert is_as_declared(found, content_type) is expected
