"""Types of files: the first bytes decide, and what is refused is named."""

import pytest

from media.sniff import ACCEPTED, AVIF, HEIC, M4A, MOV, MP3, MP4, OGG, THREE_GPP, WEBM, FileType, describe, sniff


def ftyp(*brands: bytes) -> bytes:
    body = brands[0] + bytes(4) + b"".join(brands[1:])
    return (8 + len(body)).to_bytes(4, "big") + b"ftyp" + body + b"\0\0\0\x08free"


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (ftyp(b"avif", b"mif1", b"miaf"), AVIF),
        (ftyp(b"mif1", b"avif", b"miaf"), AVIF),
        (ftyp(b"avis", b"msf1", b"iso8"), AVIF),
        (ftyp(b"heic", b"mif1"), HEIC),
        (ftyp(b"mif1", b"heic"), HEIC),
        (ftyp(b"msf1", b"hevc", b"iso8"), HEIC),
        (ftyp(b"isom", b"iso2", b"avc1", b"mp41"), MP4),
        (ftyp(b"mp42", b"M4A "), MP4),
        (ftyp(b"XAVC", b"mp42"), MP4),
        (ftyp(b"M4A ", b"mp42"), M4A),
        (ftyp(b"qt  "), MOV),
        (b"\0\0\0\x08wide\0\0\1\0mdat", MOV),
        (ftyp(b"3gp4", b"isom"), THREE_GPP),
        (ftyp(b"crx ", b"isom"), None),
        (ftyp(b"none"), None),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x86\x81\1\x42\x82\x84webm\x42\x87", WEBM),
        (b"\x1a\x45\xdf\xa3\x01\0\0\0\0\0\0\x1f\x42\x86\x81\1\x42\x82\x84mine\x42\x87", None),
        (b"ID3\4\0\0\0\0\0\0\xff\xfb\x90\0", MP3),
        (b"ID3\4\0\0\0\x0f\0\0picture", MP3),
        (b"\xff\xfb\x90\0", MP3),
        (b"OggS" + bytes(24) + b"OpusHead", OGG),
        (b"OggS" + bytes(24) + b"\x80theora", None),
    ],
)
def test_containers_and_brands_are_told_apart(head: bytes, found: FileType | None) -> None:
    assert sniff(head) == found


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"", "an empty file"),
        (b"MZ\x90\0", "a Windows program"),
        (b"\x7fELF\2", "a Linux program"),
        (b"#!/bin/sh\n", "a script"),
        (b"#!AMR\n", "an AMR sound"),
        (b"%PDF-1.7", "a PDF document"),
        (b"PK\3\4", "a ZIP archive or Office document"),
        (b"RIFF\0\0\0\0AVI LIST", "an AVI video"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", "an SVG image"),
        (b"\xef\xbb\xbf <?xml version='1.0'?>\n<!-- <b> -->\n<SVG onload='alert(1)'>", "an SVG image"),
        ("\ufeff<?xml version='1.0'?><svg >".encode("utf-16-le"), "an SVG image"),
        (b"<!DOCTYPE html><p>", "a web page"),
        (b"\n<script>alert(1)</script>", "a web page"),
        (b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'>", "a playlist"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd", "a playlist"),
        (b"ffconcat version 1.0\nfile /etc/passwd", "a playlist"),
        (b"# mine\nfile '/etc/passwd'\n", "a playlist"),
        (ftyp(b"crx ", b"isom"), "a raw image of a camera"),
        (ftyp(b"none"), "an unknown file of the brand 'none'"),
        (b"hello", "a text file"),
        (b"GIF90a", "a text file"),
        (b"\0\1\2\3", "a file of an unknown type"),
    ],
)
def test_refused_file_is_named(head: bytes, name: str) -> None:
    assert sniff(head) is None
    assert describe(head) == name


def test_types_have_unique_names() -> None:
    for field in ("name", "content_type", "extension"):
        assert len({getattr(each, field) for each in ACCEPTED}) == len(ACCEPTED)


def test_container_may_hold_sound_alone() -> None:
    assert WEBM.can_be("audio")
    assert not WEBM.can_be("image")
    assert not M4A.can_be("video")


@pytest.mark.parametrize("length", [*range(64), 400])
def test_any_start_of_a_file_is_read(length: int) -> None:
    for byte in (0x00, 0x47, 0xFF):
        describe(bytes([byte]) * length)
    for start in (b"ID3", b"RIFF", b"OggS", b"\x1a\x45\xdf\xa3", b"\0\0\0\x20ftypmif1", b"\xff\xf1"):
        assert sniff((start + bytes(length))[:length]) is None or length > 3
