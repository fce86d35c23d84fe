"""Videos: one MP4 (H.264, AAC) that every client plays, and a poster. What fits already is copied, not encoded."""

import os
from collections.abc import Callable
from fractions import Fraction

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from media import containers
from media.encoding import CopiedStream, EncodedPicture, EncodedSound, fitting
from media.hashes import blurhash, perceptual_hash
from media.images import save_poster
from media.jobs import CONTENT_TYPES, OUTPUT, Failure, MediaVariant, Processed, ProcessingJob
from media.pumping import Route, pump
from media.sniff import FileType

# The index comes first, so that playing starts at once. "bitexact" leaves out the name of the encoder.
MP4_OPTIONS = {"movflags": "+faststart", "fflags": "+bitexact"}
SHORTER_SIDE = 1_080
MOST_A_SECOND = 60
COPIED_PROFILES = {"Baseline", "Constrained Baseline", "Main", "High"}
COPIED_BIT_RATE = 10_000_000

Seconds = Callable[[float], None]


class CopyFailed(Exception):
    """Streams that looked as if they could be copied cannot."""


def process_video(job: ProcessingJob, file_type: FileType, expect: Seconds, progress: Seconds) -> Processed:
    """Make the MP4 and the poster. Raises Failure, or what PyAV raises for damaged files."""
    file = f"{job.stem}video.mp4"
    path = os.path.join(OUTPUT, file)
    first = _first_frame(job, file_type)
    try:
        seconds = _convert(job, file_type, path, first, expect, progress, may_copy=True)
    except CopyFailed:
        seconds = _convert(job, file_type, path, first, expect, progress, may_copy=False)
    with av.open(path, format="mp4") as video:
        stream = video.streams.video[0]
        width, height = stream.width, stream.height
        poster = frame_at(video, stream, min(1.0, seconds / 10))
    return Processed(
        variants=[
            MediaVariant("mp4", file, CONTENT_TYPES["mp4"], width, height, os.path.getsize(path)),
            save_poster(job, poster),
        ],
        width=width,
        height=height,
        duration_ms=round(seconds * 1_000),
        blurhash=blurhash(poster),
        perceptual_hash=perceptual_hash(poster),
        has_second_step=True,
    )


def frame_at(video: InputContainer, stream: VideoStream, seconds: float) -> Image.Image:
    """Return the key frame before `seconds`, or else the first frame."""
    video.seek(round(seconds * av.time_base))
    for frame in video.decode(stream):
        image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]
        return image
    raise Failure("damaged", "The file is damaged: no picture in it can be shown.")


def _first_frame(job: ProcessingJob, file_type: FileType) -> VideoFrame:
    """Decode one frame: it has the rotation of the video, which containers state in several ways."""
    with containers.open_container(job.source, file_type) as source:
        picture = containers.picture_of(source)
        if picture is None:
            raise Failure("no_picture", "The file has no moving picture. A sound can be uploaded as audio.")
        containers.check_picture(picture, job.limits)
        for frame in source.decode(picture):
            return frame
    raise Failure("damaged", "The file is damaged: no picture in it can be shown.")


def _convert(
    job: ProcessingJob,
    file_type: FileType,
    path: str,
    first: VideoFrame,
    expect: Seconds,
    progress: Seconds,
    *,
    may_copy: bool,
) -> float:
    """Write the MP4. Returns its seconds."""
    with containers.open_container(job.source, file_type) as source:
        picture, sound = containers.picture_of(source), containers.sound_of(source)
        assert picture is not None  # the first frame is from it
        stated_s = containers.stated_duration(source, picture, sound)
        containers.check_duration(stated_s, job.limits)
        if stated_s is not None:
            expect(stated_s)
        copies = may_copy and _fits(picture, first)
        with av.open(path, "w", format="mp4", options=MP4_OPTIONS) as output:
            routes: dict[Stream, Route] = {}
            if copies:
                routes[picture] = Route(copies=[CopiedStream(output, picture)])
            else:
                picture.thread_type, picture.thread_count = "AUTO", job.threads
                size = fitting(_shown_size(picture, first), SHORTER_SIDE)
                routes[picture] = Route(encoders=[EncodedPicture(output, size, MOST_A_SECOND, job.threads)])
            if sound is not None and may_copy and sound_fits(sound):
                routes[sound] = Route(copies=[CopiedStream(output, sound)])
            elif sound is not None:
                routes[sound] = Route(encoders=[EncodedSound(output, sound)])
            try:
                seconds = pump(source, routes, job.limits, progress)
            except (av.FFmpegError, ValueError) as error:
                raise CopyFailed if copies else error from error
    containers.check_complete(seconds, stated_s)
    return seconds


def sound_fits(sound: AudioStream) -> bool:
    """Whether a sound is AAC that every client plays, with the header that MP4 needs: transport streams lack it."""
    context = sound.codec_context
    return (
        context.name == "aac"
        and context.profile == "LC"
        and context.channels <= 2
        and context.sample_rate <= 48_000
        and bool(context.extradata)
    )


def _fits(picture: VideoStream, first: VideoFrame) -> bool:
    """Whether a picture is H.264 that every client plays, upright, small enough for a phone network."""
    context = picture.codec_context
    return (
        context.name == "h264"
        and (context.extradata or b"")[:1] == b"\x01"  # as MP4 holds it; transport streams do not
        and context.profile in COPIED_PROFILES
        and context.pix_fmt in ("yuv420p", "yuvj420p")
        and first.rotation == 0
        and (context.sample_aspect_ratio or 1) == 1
        and min(context.width, context.height) <= SHORTER_SIDE
        and max(context.width, context.height) <= 1_920
        and (picture.average_rate or MOST_A_SECOND + 1) <= MOST_A_SECOND
        and (picture.bit_rate or 0) <= COPIED_BIT_RATE
    )


def _shown_size(picture: VideoStream, first: VideoFrame) -> tuple[int, int]:
    """Return width and height as they are shown: upright, with square pixels."""
    ratio = picture.codec_context.sample_aspect_ratio or Fraction(1)
    width, height = first.width, first.height
    if Fraction(1, 10) < ratio < 10:
        width = max(1, round(width * ratio))
    return (height, width) if abs(first.rotation) == 90 else (width, height)
