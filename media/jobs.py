"""Messages between the worker and the child process that decodes a file.

Each file is processed in two steps. The first makes what a client needs to show the file. The second makes what costs
much more: AVIF of images, the moving picture of animations, the HLS ladder of videos.
"""

from errno import EDQUOT, ENOSPC
from typing import Literal

import msgspec

from media.sandbox import SandboxLimits
from media.sniff import Kind

Step = Literal["first", "second"]

Code = Literal[
    "refused_type", "wrong_sha256", "lost", "quota", "gave_up",
    "damaged", "incomplete", "too_large", "too_long", "too_slow", "no_picture", "no_sound",
]  # fmt: skip

DAMAGED = "The file is damaged, or is not what it seems to be."
TOO_LARGE = "The file needs too much memory or space to be processed."
TOO_SLOW = "The file took too long to process."
FULL = (ENOSPC, EDQUOT)  # errors of a disk without space
OUTPUT = "output"  # the folder of results, in the scratch folder
MASTER_PLAYLIST = "master.m3u8"
CONTENT_TYPES = {
    "webp": "image/webp",
    "avif": "image/avif",
    "mp4": "video/mp4",
    "m4a": "audio/mp4",
    "m4s": "video/iso.segment",
    "m3u8": "application/vnd.apple.mpegurl",
}


class MediaLimits(msgspec.Struct, frozen=True):
    """Bounds of files. Larger ones are refused with a reason."""

    image_pixels: int = 64_000_000
    animation_frames: int = 3_000
    animation_s: int = 5 * 60
    video_pixels: int = 3840 * 2160  # of a frame
    frame_rate: int = 120
    duration_s: int = 60 * 60


class ProcessingJob(msgspec.Struct, frozen=True):
    """The second step of an image gets the same source again, that of a video gets the MP4 of the first."""

    kind: Kind
    step: Step
    source: str  # a path in the scratch folder
    limits: MediaLimits
    resources: SandboxLimits
    threads: int = 2
    niceness: int = 0
    stem: str = ""  # begins the names of all results: those of two attempts never mix


class MediaVariant(msgspec.Struct, frozen=True):
    """One way to show the file."""

    name: str  # "w640": 640 pixels wide; "w640-avif"; "mp4"; "poster"; "animation"; "hls": its master playlist; "sound"
    file: str
    content_type: str
    width: int | None = None
    height: int | None = None
    size_bytes: int = 0


class Processed(msgspec.Struct, frozen=True):
    """The results of one step: variants and properties of the file. The second step returns only variants."""

    variants: list[MediaVariant]
    width: int | None = None  # of the source, upright
    height: int | None = None
    duration_ms: int | None = None
    blurhash: str | None = None
    perceptual_hash: int | None = None  # 64 bits, signed
    waveform: list[int] | None = None  # at most 100 peaks, from 0 to 100
    has_second_step: bool = False
    files: list[str] = []  # all files to keep, those of variants and the parts of HLS; set by the parent


class ChildReport(msgspec.Struct, omit_defaults=True, frozen=True):
    """A line of the child's output: one of its fields is set."""

    lacking: list[str] | None = None  # of the sandbox
    expected_s: float | None = None  # how long the video or sound is
    percent: int | None = None
    processed: Processed | None = None
    failure: tuple[Code, str] | None = None
    has_no_space: bool = False


class Failure(Exception):
    """The file cannot be processed; a repetition would end in the same way, unless it was too slow."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text  # for the user
