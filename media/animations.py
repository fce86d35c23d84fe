"""Animations (GIF, WebP, AVIF, PNG): a muted MP4, a fifth of the size and cheap to play."""

import os
from fractions import Fraction

import av
from PIL import Image

from media.encoding import EncodedPicture, fitting
from media.images import frame_count, on_white, open_image
from media.jobs import CONTENT_TYPES, OUTPUT, Failure, MediaVariant, Processed, ProcessingJob
from media.sniff import FileType
from media.videos import MP4_OPTIONS, Seconds

SHORTER_SIDE = 720
MOST_A_SECOND = 50
# Browsers show frames that say "no delay" for so long.
UNSAID_MS = 100
SHORTEST_MS = 20
MILLISECOND = Fraction(1, 1_000)


def process_animation(job: ProcessingJob, file_type: FileType, progress: Seconds) -> Processed:
    """Make the MP4. Raises Failure, or what Pillow raises for damaged files."""
    file = f"{job.stem}animation.mp4"
    path = os.path.join(OUTPUT, file)
    image = open_image(job.source, file_type, job.limits)
    size = fitting(image.size, SHORTER_SIDE)
    count = min(frame_count(image), job.limits.animation_frames)
    at_s = 0.0
    with av.open(path, "w", format="mp4", options=MP4_OPTIONS) as output:
        encoded = EncodedPicture(output, size, MOST_A_SECOND, job.threads)
        for index in range(count):
            image.seek(index)
            frame = av.VideoFrame.from_image(_opaque(image))  # type: ignore[no-untyped-call]
            # As long as a source says, where browsers believe it.
            said_ms = round(float(image.info.get("duration", 0)))
            frame.duration, frame.time_base = said_ms if said_ms >= SHORTEST_MS else UNSAID_MS, MILLISECOND
            encoded.feed(frame, at_s)
            at_s += float(frame.duration * MILLISECOND)
            if at_s > job.limits.animation_s:
                raise Failure("too_long", f"An animation may last at most {job.limits.animation_s // 60} minutes.")
            progress(index / count)
        encoded.finish()
    width, height = size
    return Processed(
        variants=[MediaVariant("animation", file, CONTENT_TYPES["mp4"], width, height, os.path.getsize(path))],
        duration_ms=round(at_s * 1_000),
    )


def _opaque(frame: Image.Image) -> Image.Image:
    frame.load()
    if frame.mode in ("P", "PA", "LA") or "transparency" in frame.info:
        return on_white(frame.convert("RGBA"))
    return on_white(frame if frame.mode in ("RGB", "RGBA") else frame.convert("RGB"))
