"""Looks for metadata in results, with readers of its own and two packages: none of them removes what it looks for."""

import re
from collections.abc import Iterator
from pathlib import Path

import exifread
from mutagen.mp4 import MP4

from tests.media.films import PLACE, SECRET

# All boxes that results may have. A list of tags (`ilst`) has none; there is no `uuid`, and no track of data.
MP4_BOXES = {
    *("ftyp", "moov", "mvhd", "trak", "tkhd", "edts", "elst", "mdia", "mdhd", "hdlr", "minf", "vmhd", "smhd", "dinf"),
    *("dref", "stbl", "stsd", "stts", "stss", "ctts", "stsc", "stsz", "stco", "co64", "sgpd", "sbgp", "mdat", "mvex"),
    *("mehd", "trex", "moof", "mfhd", "traf", "tfhd", "tfdt", "trun", "styp", "sidx", "udta", "meta", "ilst", "free"),
}
AVIF_BOXES = {
    *("ftyp", "meta", "hdlr", "pitm", "iloc", "iinf", "infe", "iprp", "ipco", "ispe", "pixi", "av1C", "colr", "ipma"),
    *("iref", "auxl", "auxC", "mdat", "dimg"),
}
CONTAINERS = {
    *("moov", "trak", "edts", "mdia", "minf", "dinf", "stbl", "mvex", "moof", "traf", "iprp", "ipco", "udta", "ilst"),
}
WEBP_CHUNKS = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH"}


def metadata_in(path: Path) -> list[str]:
    """Return what was found that should not be there."""
    content = path.read_bytes()
    found = [f"the text {text!r}" for text in (SECRET, PLACE[:8]) if text.encode() in content]
    match path.suffix:
        case ".webp":
            found += [f"a chunk {kind!r}" for kind in webp_chunks(content) if kind not in WEBP_CHUNKS]
            found += _tags(path)
        case ".avif":
            found += [f"a box {kind}" for kind in boxes(content) if kind not in AVIF_BOXES]
            found += [
                f"an item {kind!r}" for kind in re.findall(rb"infe.{8}(....)", content, re.DOTALL) if kind != b"av01"
            ]
            found += ["a colour profile"] * (b"colrprof" in content or b"colrrICC" in content)
        case ".mp4" if path.name.endswith("_init.mp4"):
            # FFmpeg's segmenter names itself (`©too`); nothing else.
            found += [f"a box {kind}" for kind in boxes(content) if kind not in MP4_BOXES | {"©too"}]
        case ".mp4" | ".m4a":
            found += [f"a box {kind}" for kind in boxes(content) if kind not in MP4_BOXES]
            found += [f"a tag {tag}" for tag in MP4(path).tags or {}]
        case ".m4s":
            found += [f"a box {kind}" for kind in boxes(content) if kind not in MP4_BOXES]
        case ".m3u8":
            found += [f"a line {line}" for line in content.decode().splitlines() if re.search(r"://|\.\./|^/", line)]
        case other:
            found.append(f"a file that ends with {other}")
    return found


def webp_chunks(content: bytes) -> Iterator[bytes]:
    assert content[:4] == b"RIFF"
    assert int.from_bytes(content[4:8], "little") == len(content) - 8, "something follows the image"
    at = 12
    while at < len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        yield content[at : at + 4]
        at += 8 + size + size % 2


def boxes(content: bytes) -> Iterator[str]:
    """Yield the names of all boxes, those inside others too."""
    at = 0
    while at < len(content):
        size, head = int.from_bytes(content[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(content[at + 8 : at + 16], "big"), 16
        size = size or len(content) - at
        assert head <= size <= len(content) - at, "a box is longer than its file"
        kind = content[at + 4 : at + 8].decode("latin-1")
        yield kind
        inside = {"meta": 4, "iinf": 6}.get(kind, 0)
        assert kind != "free" or not any(content[at + head : at + size]), "something hides in a free box"
        if kind in CONTAINERS or inside:
            yield from boxes(content[at + head + inside : at + size])
        at += size


def _tags(path: Path) -> list[str]:
    with path.open("rb") as file:
        return [f"a tag {tag}" for tag in exifread.process_file(file)]
