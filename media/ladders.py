"""HLS ladders: a video in several sizes, in segments of some seconds: a player takes what its network carries.

The source is the MP4 of the first step. It is the top rung as it is; the rungs below are encoded from it.
"""

import os
from itertools import pairwise

import av
from av.container import OutputContainer
from av.stream import Stream
from av.video.frame import VideoFrame

from media import containers
from media.encoding import CopiedStream, EncodedPicture, fitting
from media.jobs import CONTENT_TYPES, MASTER_PLAYLIST, OUTPUT, MediaVariant, Processed, ProcessingJob
from media.pumping import Route, pump
from media.sniff import FileType
from media.videos import MOST_A_SECOND, Seconds

SHORTER_SIDES = (1_080, 720, 480, 240)
NEAREST = 0.8  # a rung closer to the one above it helps nobody
SEGMENT_S = 6
LONGEST_GAP_S = 10.0  # between the key frames of a top rung that is copied
SLOW_UP_TO = 480  # rungs that are meant for poor networks have half the frames
SLOW_RATE = 30


class Rung:
    def __init__(self, job: ProcessingJob, size: tuple[int, int]) -> None:
        self.size = size
        self.name = f"{job.stem}{min(size)}"
        self.playlist = f"{self.name}.m3u8"
        self.output: OutputContainer = av.open(
            os.path.join(OUTPUT, self.playlist),
            "w",
            format="hls",
            options={
                "hls_time": str(SEGMENT_S),
                "hls_playlist_type": "vod",
                "hls_segment_type": "fmp4",
                "hls_flags": "independent_segments",
                "hls_fmp4_init_filename": f"{self.name}_init.mp4",
                "hls_segment_filename": os.path.join(OUTPUT, f"{self.name}_%05d.m4s"),
            },
        )

    def line(self) -> str:
        """Return the rung's lines in the master playlist, from what was written."""
        with open(os.path.join(OUTPUT, self.playlist)) as file:
            lines = file.read().splitlines()
        seconds = [float(line[8:].rstrip(",")) for line in lines if line.startswith("#EXTINF:")]
        sizes = [os.path.getsize(os.path.join(OUTPUT, line)) for line in lines if line and not line.startswith("#")]
        peak = max(8 * size / max(length, 0.1) for size, length in zip(sizes, seconds, strict=True))
        average = 8 * sum(sizes) / max(sum(seconds), 0.1)
        with open(os.path.join(OUTPUT, f"{self.name}_init.mp4"), "rb") as file:
            codecs = _codecs(file.read())
        return (
            f"#EXT-X-STREAM-INF:BANDWIDTH={peak:.0f},AVERAGE-BANDWIDTH={average:.0f},"
            f'RESOLUTION={self.size[0]}x{self.size[1]},CODECS="{codecs}"\n{self.playlist}\n'
        )


class EncodedRung:
    """Encodes frames. If the top rung is a copy, its key frames are where that has them: all rungs are cut alike."""

    def __init__(self, rung: Rung, threads: int, *, cuts_like_source: bool) -> None:
        most_a_second = MOST_A_SECOND if min(rung.size) > SLOW_UP_TO else SLOW_RATE
        self._encoded = EncodedPicture(rung.output, rung.size, most_a_second, threads)
        self._cuts_like_source = cuts_like_source

    def feed(self, frame: VideoFrame, at_s: float) -> None:
        self._encoded.feed(frame, at_s, is_key=frame.key_frame if self._cuts_like_source else None)

    def finish(self) -> None:
        self._encoded.finish()


def process_ladder(job: ProcessingJob, file_type: FileType, expect: Seconds, progress: Seconds) -> Processed:
    """Make the rungs and the master playlist."""
    with containers.open_container(job.source, file_type) as source:
        picture, sound = containers.picture_of(source), containers.sound_of(source)
        assert picture is not None  # the first step wrote it
        expect(containers.stated_duration(source, picture, sound) or 1.0)
        size = (picture.width, picture.height)
        rungs = [Rung(job, each) for each in rung_sizes(size)]
        copied = rungs[:1] if _longest_gap(job, file_type) <= LONGEST_GAP_S else []
        encoders = [
            EncodedRung(rung, job.threads, cuts_like_source=bool(copied)) for rung in rungs if rung not in copied
        ]
        routes: dict[Stream, Route] = {
            picture: Route(copies=[CopiedStream(rung.output, picture) for rung in copied], encoders=encoders)
        }
        if sound is not None:
            routes[sound] = Route(copies=[CopiedStream(rung.output, sound) for rung in rungs])
        picture.thread_type, picture.thread_count = "AUTO", job.threads
        pump(source, routes, job.limits, progress)
        for rung in rungs:
            rung.output.close()
    master = f"{job.stem}{MASTER_PLAYLIST}"
    path = os.path.join(OUTPUT, master)
    with open(path, "w") as file:
        file.write("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n" + "".join(rung.line() for rung in rungs))
    return Processed(variants=[MediaVariant("hls", master, CONTENT_TYPES["m3u8"], *size, os.path.getsize(path))])


def rung_sizes(source: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the sizes of the rungs: the source's, then those well below it."""
    sizes = [source]
    for side in SHORTER_SIDES:
        if side <= NEAREST * min(sizes[-1]):
            sizes.append(fitting(source, side))
    return sizes


def _longest_gap(job: ProcessingJob, file_type: FileType) -> float:
    """Return the longest time between key frames, in seconds: segments can be cut only there."""
    with containers.open_container(job.source, file_type) as source:
        picture = containers.picture_of(source)
        keys = [float(each.pts * each.time_base) for each in source.demux(picture) if each.is_keyframe and each.pts]
        length = containers.stated_duration(source, picture) or 0.0
    return max(after - before for before, after in pairwise([0.0, *keys, length]))


def _codecs(start: bytes) -> str:
    """Return the codecs of an fMP4 for the master playlist: profile and level are in its record of H.264."""
    at = start.index(b"avcC") + 5
    return f"avc1.{start[at : at + 3].hex()}" + (",mp4a.40.2" if b"mp4a" in start else "")
