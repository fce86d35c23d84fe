"""Makes videos and sounds for tests, with PyAV."""

import array
import math
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
from av.audio.stream import AudioStream
from av.video.stream import VideoStream
from PIL import Image, ImageDraw

SECRET = "SECRET-PLACE"  # in all metadata: no result may contain it
PLACE = "+30.0444+031.2357/"  # where the Nile flows through Cairo
DRAWN = 12  # frames, which a longer film repeats
SPEED = {"preset": "veryfast"}
METADATA = {"title": SECRET, "artist": SECRET, "comment": SECRET, "location": PLACE, "location-eng": PLACE}


def frame(size: tuple[int, int], number: int) -> Image.Image:
    """A frame whose left upper quarter is red; a square moves through the rest."""
    image = Image.new("RGB", size, (30, 60, 120))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, size[0] // 2, size[1] // 2), fill=(220, 20, 20))
    left = number * 7 % max(1, size[0])
    draw.rectangle((left, size[1] * 3 // 4, left + size[0] // 8, size[1] - 1), fill=(250, 250, 90))
    return image


def make_film(
    path: Path,
    *,
    size: tuple[int, int] = (320, 180),
    seconds: float = 1.0,
    rate: int = 25,
    video: str | None = "libx264",
    audio: str | None = "aac",
    format: str | None = None,
    pixels: str = "yuv420p",
    turned: int | None = None,
    times: Sequence[float] | None = None,
    videos: int = 1,
    audios: int = 1,
    sound_starts: float = 0.0,
    video_starts: float = 0.0,
    layout: str = "stereo",
    options: dict[str, str] | None = None,
    muxing: dict[str, str] | None = None,
) -> Path:
    """Write a file. `times` are those of the frames, in seconds; otherwise they come at `rate` for `seconds`."""
    at = list(times) if times is not None else [number / rate for number in range(max(1, round(seconds * rate)))]
    with av.open(str(path), "w", format=format, options=muxing or {}) as output:
        output.metadata.update(METADATA)
        pictures = [
            cast("VideoStream", output.add_stream(video, rate=rate, options=options or SPEED))
            for _ in range(videos)
            if video
        ]
        for stream in pictures:
            stream.width, stream.height = size
            stream.pix_fmt = pixels
            stream.codec_context.time_base = Fraction(1, 1_000)
            stream.metadata["handler_name"] = SECRET
            if turned is not None:
                stream.set_display_rotation(turned)
        sounds = [
            cast("AudioStream", output.add_stream(audio, rate=48_000, layout=layout)) for _ in range(audios) if audio
        ]
        for sound in sounds:
            sound.metadata["language"] = "ara"
        drawn = [_drawn(size, number, pixels) for number in range(min(len(at), DRAWN))]
        for number, second in enumerate(at):
            for stream in pictures:
                shown = drawn[number % DRAWN]
                shown.pts, shown.time_base = round((video_starts + second) * 1_000), Fraction(1, 1_000)
                output.mux(stream.encode(shown))
        for sound in sounds:
            for samples in _tone(seconds, layout):
                samples.pts = (samples.pts or 0) + round(sound_starts * 48_000)
                output.mux(sound.encode(samples))
        for stream in pictures:
            output.mux(stream.encode(None))
        for sound in sounds:
            output.mux(sound.encode(None))
    return path


def _drawn(size: tuple[int, int], number: int, pixels: str) -> av.VideoFrame:
    drawn: av.VideoFrame = av.VideoFrame.from_image(frame(size, number))  # type: ignore[no-untyped-call]
    return drawn.reformat(format=pixels)


def _tone(seconds: float, layout: str) -> list[av.AudioFrame]:
    """A tone that swells."""
    channels = 1 if layout == "mono" else 2
    frames = []
    for start in range(0, max(1_024, round(seconds * 48_000)), 1_024):
        samples = av.AudioFrame("s16", layout, 1_024)
        samples.rate = 48_000
        samples.pts, samples.time_base = start, Fraction(1, 48_000)
        loud = 20_000 * min(1.0, start / (seconds * 48_000))
        wave = [int(loud * math.sin((start + at) * 0.06)) for at in range(1_024) for _ in range(channels)]
        samples.planes[0].update(array.array("h", wave).tobytes())
        frames.append(samples)
    return frames
