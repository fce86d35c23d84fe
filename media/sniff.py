"""The type of a file, from its first bytes: its name and the type that the client states are not trusted."""

import re
from typing import Literal, NamedTuple

HEAD_BYTES = 4_096  # that callers read: enough for each type

Kind = Literal["image", "video", "audio"]


class FileType(NamedTuple):
    """A type that DAIRA accepts."""

    kind: Kind
    name: str  # for users, with its article
    content_type: str
    extension: str  # without a dot
    format: str  # of Pillow for images, otherwise FFmpeg's demuxer
    is_container: bool = False  # a container of video may hold sound alone: a client may upload it as audio

    def can_be(self, kind: Kind) -> bool:
        """Whether a client may upload such a file as `kind`."""
        return kind == self.kind or (self.is_container and kind == "audio")


JPEG = FileType("image", "a JPEG image", "image/jpeg", "jpg", "JPEG")
PNG = FileType("image", "a PNG image", "image/png", "png", "PNG")
GIF = FileType("image", "a GIF image", "image/gif", "gif", "GIF")
WEBP = FileType("image", "a WebP image", "image/webp", "webp", "WEBP")
AVIF = FileType("image", "an AVIF image", "image/avif", "avif", "AVIF")
HEIC = FileType("image", "an HEIC image", "image/heic", "heic", "HEIF")
MP4 = FileType("video", "an MP4 video", "video/mp4", "mp4", "mov", is_container=True)
MOV = FileType("video", "a QuickTime video", "video/quicktime", "mov", "mov", is_container=True)
THREE_GPP = FileType("video", "a 3GPP video", "video/3gpp", "3gp", "mov", is_container=True)
WEBM = FileType("video", "a WebM video", "video/webm", "webm", "matroska", is_container=True)
MATROSKA = FileType("video", "a Matroska video", "video/x-matroska", "mkv", "matroska", is_container=True)
MPEG_TS = FileType("video", "an MPEG transport stream", "video/mp2t", "ts", "mpegts", is_container=True)
M4A = FileType("audio", "an M4A sound", "audio/mp4", "m4a", "mov")
AAC = FileType("audio", "an AAC sound", "audio/aac", "aac", "aac")
MP3 = FileType("audio", "an MP3 sound", "audio/mpeg", "mp3", "mp3")
OGG = FileType("audio", "an Ogg sound", "audio/ogg", "ogg", "ogg")
FLAC = FileType("audio", "a FLAC sound", "audio/flac", "flac", "flac")
WAV = FileType("audio", "a WAV sound", "audio/wav", "wav", "wav")

ACCEPTED = (
    *(JPEG, PNG, GIF, WEBP, AVIF, HEIC),
    *(MP4, MOV, THREE_GPP, WEBM, MATROSKA, MPEG_TS),
    *(M4A, AAC, MP3, OGG, FLAC, WAV),
)

# Files that begin with these bytes are refused, and named so.
REFUSED = (
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xce\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a Java or macOS program"),
    (b"\0asm", "a WebAssembly program"),
    (b"dex\n", "an Android program"),
    (b"#!", "a script"),
    (b"%PDF", "a PDF document"),
    (b"{\\rtf", "an RTF document"),
    (b"\xd0\xcf\x11\xe0", "an Office document"),
    (b"PK\x03\x04", "a ZIP archive or Office document"),
    (b"PK\x05\x06", "a ZIP archive"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf", "a 7-Zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an XZ archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"BM", "a BMP image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"8BPS", "a Photoshop image"),
    (b"\0\0\1\0", "an icon"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"FLV", "a Flash video"),
    (b"\x30\x26\xb2\x75", "a Windows Media file"),
    (b"\0\0\1\xba", "an MPEG program stream"),
    (b"MThd", "a MIDI file"),
    (b"#!AMR", "an AMR sound"),
    (b"FORM", "an AIFF sound"),
    (b"caff", "a CAF sound"),
)
# Searched in text without its case. FFmpeg would open the files that a playlist names.
REFUSED_TEXTS = (
    (re.compile(rb"\s*#extm3u"), "a playlist"),
    (re.compile(rb"\s*(#.*\n\s*)*ffconcat"), "a playlist"),
    (re.compile(rb"\s*(#.*\n\s*)*file\s+\S"), "a playlist"),
    (re.compile(rb"\s*\[playlist\]"), "a playlist"),
    (re.compile(rb"\s*<.*<mpd[\s>]", re.DOTALL), "a playlist"),
    (
        re.compile(rb"\s*<.*<!doctype html|\s*<!doctype html|\s*<(.*<)?(html|head|body|script)[\s>]", re.DOTALL),
        "a web page",
    ),
    (re.compile(rb"\s*<(.*<)?svg[\s>]", re.DOTALL), "an SVG image"),
    (re.compile(rb"\s*<\?php"), "a script"),
    (re.compile(rb"\s*<\?xml"), "an XML file"),
)

HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
AVIF_BRANDS = {b"avif", b"avis"}
M4A_BRANDS = {b"M4A ", b"M4B "}
MP4_BRANDS = {
    *(b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"iso7", b"iso8", b"iso9", b"mp41", b"mp42", b"mp71"),
    *(b"avc1", b"M4V ", b"M4VH", b"M4VP", b"MSNV", b"dash", b"cmfc", b"hvc1", b"av01"),
}
RAW_BRAND = b"crx "  # of Canon; it also names itself compatible with MP4
# Boxes that open a QuickTime file of the time before brands.
OLD_QUICKTIME_BOXES = {b"moov", b"mdat", b"wide", b"free", b"skip"}


def sniff(head: bytes) -> FileType | None:
    """Return the type of the file that begins with `head` (HEAD_BYTES or the whole file), or None if it is refused."""
    if head.startswith(b"\xff\xd8\xff"):
        return JPEG
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return PNG
    if head.startswith((b"GIF87a", b"GIF89a")):
        return GIF
    if head.startswith((b"RIFF", b"RF64")):
        return {b"WEBP": WEBP, b"WAVE": WAV}.get(head[8:12])
    if head[4:8] == b"ftyp":
        return _by_brands(head)
    if head[4:8] in OLD_QUICKTIME_BOXES:
        return MOV
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return _ebml(head)
    if head.startswith(b"OggS"):
        # Theora and other pictures in Ogg are refused.
        return OGG if re.match(rb"OpusHead|\x01vorbis|\x7fFLAC", head[28:40]) else None
    if head.startswith(b"fLaC"):
        return FLAC
    if head.startswith(b"ID3"):
        return _after_id3(head)
    return _by_frames(head)


def describe(head: bytes) -> str:
    """Return what the file is, for users: "a Windows program"."""
    if not head:
        return "an empty file"
    if known := sniff(head):
        return known.name
    if head.startswith(b"RIFF") and head[8:11] == b"AVI":
        return "an AVI video"
    for start, name in sorted(REFUSED, key=lambda each: -len(each[0])):
        if head.startswith(start):
            return name
    if head[257:262] == b"ustar":
        return "a TAR archive"
    if head[4:12] == b"ftyp" + RAW_BRAND:
        return "a raw image of a camera"
    if head[4:8] == b"ftyp":
        return f"an unknown file of the brand {head[8:12].decode('ascii', 'replace').strip()!r}"
    # In UTF-16, letters of markup have a zero beside them.
    text = head.removeprefix(b"\xef\xbb\xbf").removeprefix(b"\xff\xfe").removeprefix(b"\xfe\xff").replace(b"\0", b"")
    for pattern, name in REFUSED_TEXTS:
        if pattern.match(text.lower()):
            return name
    return "a text file" if _is_text(head) else "a file of an unknown type"


def _by_brands(head: bytes) -> FileType | None:
    """AVIF, HEIC, MP4, QuickTime and M4A share a container: its brands distinguish them. The major one comes first."""
    size = min(int.from_bytes(head[:4], "big"), len(head))
    if head[8:12] == RAW_BRAND:
        return None
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))]
    for brand in brands:
        if brand in AVIF_BRANDS:
            return AVIF
        if brand in HEIC_BRANDS:
            return HEIC
        if brand in M4A_BRANDS:
            return M4A
        if brand == b"qt  ":
            return MOV
        if brand[:3] in (b"3gp", b"3g2"):
            return THREE_GPP
        if brand in MP4_BRANDS:
            return MP4
    return None


def _ebml(head: bytes) -> FileType | None:
    found = re.search(rb"\x42\x82.(webm|matroska)", head[:128], re.DOTALL)
    return found and {b"webm": WEBM, b"matroska": MATROSKA}[found[1]]


def _after_id3(head: bytes) -> FileType | None:
    """ID3 tags precede MP3, but also AAC and FLAC. A tag with a picture is longer than `head`: then it is MP3."""
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    rest = head[10 + size :]
    if len(rest) < 4:
        return MP3 if len(head) > 10 else None
    return FLAC if rest.startswith(b"fLaC") else _by_frames(rest) or MP3


def _by_frames(head: bytes) -> FileType | None:
    """Types without a header: their first frames or packets are recognised."""
    for start, length in ((0, 188), (4, 192)):
        if all(head[at : at + 1] == b"\x47" for at in (start, start + length, start + 2 * length)):
            return MPEG_TS
    if len(head) < 4 or head[0] != 0xFF:
        return None
    if head[1] & 0xF6 == 0xF0 and head[2] >> 2 & 0xF < 13:
        return AAC
    layer_3, version = head[1] & 0xE6 == 0xE2, head[1] >> 3 & 3
    if layer_3 and version != 1 and head[2] >> 4 not in (0, 15) and head[2] >> 2 & 3 != 3:
        return MP3
    return None


def _is_text(head: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r" for byte in head)
