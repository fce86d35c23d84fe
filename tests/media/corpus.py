"""Files that users send, and files that attackers send: `python -m tests.media.corpus FOLDER` writes them all.

Each case says how its file ends: processed, or as a failure with one of some codes.
"""

import struct
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pillow_heif
from PIL import Image, ImageCms

from media.sniff import Kind
from tests.media.films import PLACE, SECRET, frame, make_film

Make = Callable[[Path], Any]
CASES: dict[str, "Case"] = {}
GPS_INFO, ORIENTATION, DESCRIPTION = 0x8825, 0x0112, 0x010E


@dataclass(frozen=True)
class Case:
    name: str
    kind: Kind
    make: Make
    codes: frozenset[str]  # of the failure; none if the file is processed

    def write(self, folder: Path) -> Path:
        path = folder / self.name
        if not path.exists():
            self.make(path)
        return path


def case(name: str, kind: Kind, make: Make, *codes: str) -> None:
    CASES[name] = Case(name, kind, make, frozenset(codes))


def data(content: bytes) -> Make:
    return lambda path: path.write_bytes(content)


def made(content: Callable[[], bytes]) -> Make:
    """Make the content when it is needed: large files take seconds."""
    return lambda path: path.write_bytes(content())


def start_of(name: str, share: float) -> Make:
    """The beginning of another case's file."""

    def make(path: Path) -> None:
        whole = CASES[name].write(path.parent).read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])

    return make


def changed(name: str, change: Callable[[bytes], bytes]) -> Make:
    """Another case's file, changed."""
    return lambda path: path.write_bytes(change(CASES[name].write(path.parent).read_bytes()))


def saved(image: Callable[[], Image.Image], format: str, **options: Any) -> Make:
    return lambda path: image().save(path, format, **options)


def exif(orientation: int = 1) -> bytes:
    tags = Image.Exif()
    tags[ORIENTATION], tags[DESCRIPTION] = orientation, SECRET
    place = tags.get_ifd(GPS_INFO)
    place[1], place[2], place[3], place[4] = "N", (30.0, 2.0, 39.8), "E", (31.0, 14.0, 8.5)
    return tags.tobytes()


def picture(mode: str = "RGB", size: tuple[int, int] = (400, 300)) -> Callable[[], Image.Image]:
    return lambda: frame(size, 3).convert(mode)


def frames(count: int, size: tuple[int, int] = (80, 60)) -> list[Image.Image]:
    return [frame(size, number) for number in range(count)]


def moving(format: str, count: int = 12, size: tuple[int, int] = (80, 60), **options: Any) -> Make:
    def make(path: Path) -> None:
        first, *rest = frames(count, size)
        first.save(path, format, save_all=True, append_images=rest, duration=60, **options)

    return make


def png(width: int, height: int, depth: int, colour: int, rows: bytes, *chunks: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def zeros(count: int) -> bytes:
    """`count` zero bytes, compressed."""
    packer = zlib.compressobj()
    step = 1 << 20
    parts = [packer.compress(bytes(min(step, count - at))) for at in range(0, count, step)]
    return b"".join([*parts, packer.flush()])


def text_bomb() -> bytes:
    body = b"Comment\0\0" + zeros(200 << 20)
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    return png(8, 8, 8, 0, zeros(8 * 9), chunk)


def gradient_16_bit() -> bytes:
    return zlib.compress(b"".join(b"\0" + b"".join(struct.pack(">H", x * 600) for x in range(100)) for _ in range(50)))


def jpeg_of(width: int, height: int) -> Callable[[bytes], bytes]:
    """Let the header of a JPEG state another size."""

    def change(content: bytes) -> bytes:
        at = content.index(b"\xff\xc0") + 5
        return content[:at] + struct.pack(">HH", height, width) + content[at + 4 :]

    return change


def other_duration(seconds: int) -> Callable[[bytes], bytes]:
    """Let an MP4 state another duration in each of its headers."""

    def change(content: bytes) -> bytes:
        for name, skip in ((b"mvhd", 16), (b"mdhd", 16)):
            at = -1
            while (at := content.find(name, at + 1)) >= 0:
                scale = int.from_bytes(content[at + skip : at + skip + 4], "big")
                content = content[: at + skip + 4] + struct.pack(">I", scale * seconds) + content[at + skip + 8 :]
        return content

    return change


def heic(path: Path) -> None:
    """As phones write it: the pixels lie on their side, and the container says how to turn them."""
    turned = frame((400, 300), 3).transpose(Image.Transpose.ROTATE_90)
    heif = pillow_heif.from_pillow(turned)
    heif.save(path, exif=exif(6), quality=80)


def song(path: Path) -> None:
    """An MP3 with a cover and tags."""
    from mutagen.id3 import APIC, ID3, TIT2, TXXX

    make_film(path, video=None, audio="libmp3lame", format="mp3")
    cover = BytesIO()
    frame((60, 60), 0).save(cover, "JPEG")
    tags = ID3(path)
    tags.add(APIC(encoding=3, mime="image/jpeg", type=3, desc=SECRET, data=cover.getvalue()))
    tags.add(TIT2(encoding=3, text=SECRET))
    tags.add(TXXX(encoding=3, desc="place", text=PLACE))
    tags.save(path)


def song_in_mp4(path: Path) -> None:
    from mutagen.mp4 import MP4, MP4Cover

    make_film(path, video=None, format="ipod")
    cover = BytesIO()
    frame((60, 60), 0).save(cover, "JPEG")
    tags = MP4(path)
    tags["covr"] = [MP4Cover(cover.getvalue())]
    tags["\xa9nam"] = [SECRET]
    tags.save()


SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = f"<x:xmpmeta><rdf:Description>{SECRET} {PLACE}</rdf:Description></x:xmpmeta>".encode()
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(document.domain)</script></svg>'
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n%s\n#EXT-X-ENDLIST\n"

# ---------------------------------------------------------------------------- images that are processed
case("gps.jpg", "image", saved(picture(), "JPEG", exif=exif(), xmp=XMP, comment=SECRET.encode(), icc_profile=SRGB))
for number in range(2, 9):
    case(f"turned-{number}.jpg", "image", saved(picture(), "JPEG", exif=exif(number)))
case("progressive.jpg", "image", saved(picture(), "JPEG", progressive=True))
case("cmyk.jpg", "image", saved(picture("CMYK"), "JPEG"))
case("gray.jpg", "image", saved(picture("L"), "JPEG"))
case("bad-icc.jpg", "image", saved(picture(), "JPEG", icc_profile=b"\xff" * 500))
case("icc-of-gray.png", "image", saved(picture(), "PNG", icc_profile=SRGB[:200] + b"GRAY" + SRGB[204:]))
case("bad-exif.jpg", "image", saved(picture(), "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(50)))
case("two-pictures.mpo", "image", lambda path: frames(2)[0].save(path, "MPO", save_all=True, append_images=frames(1)))
case("with-archive.jpg", "image", changed("gps.jpg", lambda content: content + b"PK\3\4" + SECRET.encode() * 50))
case("gps.png", "image", saved(picture(), "PNG", exif=exif(), icc_profile=SRGB))
case("16-bit.png", "image", data(png(100, 50, 16, 0, gradient_16_bit())))
case("one-bit.png", "image", saved(picture("1"), "PNG"))
case("gray-alpha.png", "image", saved(picture("LA"), "PNG"))
case("palette.png", "image", saved(lambda: picture()().quantize(16), "PNG", transparency=0))
case("rgb-key.png", "image", saved(picture(), "PNG", transparency=(220, 20, 20)))
case("moving.png", "image", moving("PNG"))
case("one-pixel.png", "image", saved(picture(size=(1, 1)), "PNG"))
case("thread.png", "image", saved(lambda: Image.new("RGB", (1, 20_000)), "PNG"))
case("largest.png", "image", made(lambda: png(8_000, 8_000, 8, 2, zeros(8_000 * (3 * 8_000 + 1)))))
case("plain.gif", "image", saved(picture("P"), "GIF", transparency=1, comment=SECRET.encode()))
case("moving.gif", "image", moving("GIF", loop=0, comment=SECRET.encode()))
case("gps.webp", "image", saved(picture("RGBA"), "WEBP", exif=exif(), xmp=XMP, icc_profile=SRGB))
case("lossless.webp", "image", saved(picture(), "WEBP", lossless=True))
case("moving.webp", "image", moving("WEBP", exif=exif(), xmp=XMP))
case("gps.avif", "image", saved(picture(), "AVIF", exif=exif(), xmp=XMP, icc_profile=SRGB))
case("moving.avif", "image", moving("AVIF", count=4))
case("states-more.jpg", "image", changed("gray.jpg", jpeg_of(4_000, 4_000)))
case("turned.heic", "image", heic)
case("polyglot-whole.gif", "image", changed("plain.gif", lambda content: content + b"*/=1;alert('SECRET-PLACE')//"))

# ---------------------------------------------------------------------------- images that are refused
case("empty.jpg", "image", data(b""), "refused_type")
case("program.jpg", "image", data(b"MZ\x90\0\3\0\0\0" + bytes(200)), "refused_type")
case("script.png", "image", data(SVG), "refused_type")
case("page.gif", "image", data(b"<!doctype html><script>alert(1)</script>"), "refused_type")
case("video.jpg", "image", lambda path: make_film(path, format="mp4"), "refused_type")
case("old.tiff", "image", saved(picture(), "TIFF"), "refused_type")
case("polyglot.gif", "image", data(b"GIF89a/*" + bytes(100) + b"*/=1;alert(document.domain)//"), "damaged", "too_large")
case("bomb.png", "image", made(lambda: png(50_000, 50_000, 1, 0, zeros(50_000 * 6_251))), "too_large")
case("text-bomb.png", "image", made(text_bomb), "damaged", "too_large")
case("huge.jpg", "image", changed("gray.jpg", jpeg_of(65_500, 65_500)), "too_large")
case(
    "canvas.webp",
    "image",
    data(b"RIFF\x1e\0\0\0WEBPVP8X\n\0\0\0\2\0\0\0" + b"\xff\x3f\0" * 2 + bytes(4)),
    "damaged",
    "too_large",
)
case("thousands.gif", "image", moving("GIF", count=3_100, size=(8, 6)), "too_long")
for name in ("gps.jpg", "gps.png", "plain.gif", "lossless.webp", "gps.avif", "turned.heic"):
    case(f"cut-{name}", "image", start_of(name, 0.6), "damaged")
    case(f"head-of-{name}", "image", start_of(name, 0.02), "damaged", "refused_type")

# ---------------------------------------------------------------------------- videos that are processed
case("phone.mp4", "video", make_film)
case("turned.mp4", "video", lambda path: make_film(path, turned=-90))
case("film.mov", "video", lambda path: make_film(path, format="mov"))
case("film.mkv", "video", make_film)
case("film.ts", "video", lambda path: make_film(path, format="mpegts"))
case("browser.webm", "video", lambda path: make_film(path, video="libvpx", audio="libopus"))
case("mute.mp4", "video", lambda path: make_film(path, audio=None))
case("tall.mp4", "video", lambda path: make_film(path, size=(180, 320)))
case("odd.mkv", "video", lambda path: make_film(path, size=(321, 241), video="ffv1", pixels="yuv444p", audio="flac"))
case("tiny.mp4", "video", lambda path: make_film(path, size=(16, 16)))
case("wide-colours.mp4", "video", lambda path: make_film(path, pixels="yuv444p"))
case("many-tracks.mp4", "video", lambda path: make_film(path, videos=3, audios=4))
case("uneven.mp4", "video", lambda path: make_film(path, times=[0, 0.04, 0.05, 0.4, 0.41, 0.9, 1.3]))
case("late-sound.mp4", "video", lambda path: make_film(path, sound_starts=0.5))
case("late-picture.mp4", "video", lambda path: make_film(path, video_starts=0.5, seconds=1.5))
case("hidden-place.mp4", "video", lambda path: make_film(path, muxing={"movflags": "use_metadata_tags"}))
case("index-first.mp4", "video", lambda path: make_film(path, seconds=4, muxing={"movflags": "faststart"}))
case("states-four-hours.mp4", "video", changed("phone.mp4", other_duration(4 * 3_600)))
case("fragments.mp4", "video", lambda path: make_film(path, muxing={"movflags": "frag_keyframe+empty_moov"}))

# ---------------------------------------------------------------------------- videos that are refused
case("empty.mp4", "video", data(b""), "refused_type")
case("playlist.mp4", "video", data(PLAYLIST % b"file:///etc/passwd"), "refused_type")
case("playlist-of-url.mp4", "video", data(PLAYLIST % b"http://127.0.0.1:1/x.ts"), "refused_type")
case("concat.mp4", "video", data(b"ffconcat version 1.0\nfile /etc/passwd\n"), "refused_type")
case("image.mp4", "video", saved(picture(), "JPEG"), "refused_type")
case("sound-only.mp4", "video", lambda path: make_film(path, video=None), "no_picture")
case("cut.mp4", "video", start_of("phone.mp4", 0.7), "damaged")
case("cut-index-first.mp4", "video", start_of("index-first.mp4", 0.5), "incomplete", "damaged")
case("brand-only.mp4", "video", data(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(1_000)), "damaged")
case("brand-only.webm", "video", changed("browser.webm", lambda content: content[:60] + b"\xa5" * 2_000), "damaged")
case("four-hours.mp4", "video", lambda path: make_film(path, times=[0, 1, 4 * 3_600], seconds=1), "too_long")
case(
    "huge.mp4",
    "video",
    lambda path: make_film(path, size=(7_680, 4_320), times=[0], audio=None, options={"preset": "ultrafast"}),
    "too_large",
)
case("fast.mp4", "video", lambda path: make_film(path, rate=240, seconds=0.5), "too_large")

# ---------------------------------------------------------------------------- sounds
case("song.mp3", "audio", song)
case("song.m4a", "audio", song_in_mp4)
case("voice.ogg", "audio", lambda path: make_film(path, video=None, audio="libopus", layout="mono"))
case("voice.webm", "audio", lambda path: make_film(path, video=None, audio="libopus"))
case("sound.wav", "audio", lambda path: make_film(path, video=None, audio="pcm_s16le"))
case("sound.flac", "audio", lambda path: make_film(path, video=None, audio="flac"))
case("sound.aac", "audio", lambda path: make_film(path, video=None, format="adts"))
case("sound-of-film.mp4", "audio", make_film)
case("empty.mp3", "audio", data(b""), "refused_type")
case(
    "head.wav",
    "audio",
    data(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x80\xbb\0\0\0\x77\1\0\2\0\x10\0data\0\0\0\0"),
    "damaged",
)
case("noise.mp3", "audio", data(b"\xff\xfb\x90\0" + bytes(range(256)) * 40), "damaged")
case("film-without-sound.mp4", "audio", lambda path: make_film(path, audio=None), "no_sound")
case("image.mp3", "audio", saved(picture(), "PNG"), "refused_type")


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for each in CASES.values():
        print(each.write(folder))


if __name__ == "__main__":
    main()
