"""Files of video and sound: opened as what their first bytes say, and checked before anything is decoded."""

from fractions import Fraction

import av
import av.logging
import av.subtitles.codeccontext  # PyAV loads it when it meets subtitles: the sandbox would not let it
import av.subtitles.stream
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

from media.jobs import Failure, MediaLimits
from media.sniff import FileType

# Only this file is read, whatever it names. A demuxer that looks for long is given bounds.
OPTIONS = {"protocol_whitelist": "file", "probesize": "10000000", "analyzeduration": "10000000", "max_streams": "100"}
LONGEST_SIDE = 8_192


def open_container(path: str, file_type: FileType) -> InputContainer:
    """Open a file of video or sound. Raises what PyAV raises for damaged files."""
    return av.open(path, "r", format=file_type.format, options=OPTIONS, metadata_errors="replace")


def picture_of(container: InputContainer) -> VideoStream | None:
    """Return the first moving picture. Covers of songs are none."""
    still = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails
    return next((each for each in container.streams.video if not each.disposition & still and each.codec_context), None)


def sound_of(container: InputContainer) -> AudioStream | None:
    return next((each for each in container.streams.audio if each.codec_context), None)


def check_picture(stream: VideoStream, limits: MediaLimits) -> None:
    """Raises Failure if frames are too large or too many."""
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > limits.video_pixels or max(width, height) > LONGEST_SIDE:
        raise Failure(
            "too_large",
            f"A video may have at most {limits.video_pixels / 1_000_000:.1f} megapixels; "
            f"this one has {width:,} × {height:,} pixels.",
        )
    if stream.average_rate and stream.average_rate > limits.frame_rate:
        raise Failure("too_large", f"A video may have at most {limits.frame_rate} frames a second.")


def stated_duration(container: InputContainer, *streams: Stream | None) -> float | None:
    """Return the seconds that the file states for these streams, if it does."""
    stated = [float(each.duration * each.time_base) for each in streams if each and each.duration and each.time_base]
    if stated:
        return max(stated)
    return container.duration / av.time_base if container.duration else None


def check_duration(seconds: float | None, limits: MediaLimits) -> None:
    """Raises Failure if it is too long. It is called for what a file states, and again for what is found in it."""
    if seconds is not None and seconds > limits.duration_s + 1:
        raise Failure("too_long", f"Video and sound may last at most {limits.duration_s // 60} minutes.")


def check_complete(found_s: float, stated_s: float | None) -> None:
    """Raises Failure if the end of the file is missing."""
    if found_s <= 0:
        raise Failure("damaged", "The file is damaged: nothing in it can be played.")
    if stated_s is not None and found_s < stated_s * 0.9 - 1:
        raise Failure("incomplete", f"The file is incomplete: it ends after {found_s:.0f} of {stated_s:.0f} seconds.")


def start_of(container: InputContainer) -> Fraction:
    """Return the time of the first frame, in seconds: transport streams do not start at zero."""
    return Fraction(container.start_time or 0, av.time_base)
