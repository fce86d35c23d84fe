"""Sounds: AAC in M4A, which every browser and iOS play (Opus is not played by older iOS), and a waveform."""

import os
from itertools import pairwise

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.stream import Stream

from media import containers
from media.encoding import EncodedSound
from media.jobs import CONTENT_TYPES, OUTPUT, Failure, MediaVariant, Processed, ProcessingJob
from media.pumping import Route, pump
from media.sniff import FileType
from media.videos import MP4_OPTIONS, Seconds

PEAKS = 100


class Waveform:
    """Collects the loudest sample of each frame."""

    def __init__(self) -> None:
        self._peaks: list[int] = []
        self._resampler = AudioResampler("s16", "mono", 8_000)

    def feed(self, frame: AudioFrame, at_s: float) -> None:
        for each in self._resampler.resample(frame):
            samples = memoryview(each.planes[0]).cast("B")[: each.samples * 2].cast("h")
            if samples:
                self._peaks.append(max(max(samples), -min(samples)))

    def finish(self) -> None:
        pass

    def peaks(self) -> list[int]:
        """Return at most 100 peaks over the whole length, in percent of the loudest."""
        loudest = max(self._peaks, default=0) or 1
        count = min(PEAKS, len(self._peaks))
        bounds = [len(self._peaks) * at // count for at in range(count + 1)]
        return [round(max(self._peaks[start:end]) * 100 / loudest) for start, end in pairwise(bounds)]


def process_sound(job: ProcessingJob, file_type: FileType, expect: Seconds, progress: Seconds) -> Processed:
    """Make the M4A and the waveform. Raises Failure, or what PyAV raises for damaged files."""
    file = f"{job.stem}sound.m4a"
    path = os.path.join(OUTPUT, file)
    waveform = Waveform()
    with containers.open_container(job.source, file_type) as source:
        sound = containers.sound_of(source)
        if sound is None:
            raise Failure("no_sound", "The file has no sound.")
        stated_s = containers.stated_duration(source, sound)
        containers.check_duration(stated_s, job.limits)
        if stated_s is not None:
            expect(stated_s)
        # Always encoded: what is decoded for the waveform costs more than the encoder, and nothing hidden survives.
        with av.open(path, "w", format="ipod", options=MP4_OPTIONS) as output:
            routes: dict[Stream, Route] = {sound: Route(encoders=[waveform, EncodedSound(output, sound)])}
            seconds = pump(source, routes, job.limits, progress)
    containers.check_complete(seconds, stated_s)
    return Processed(
        variants=[MediaVariant("sound", file, CONTENT_TYPES["m4a"], size_bytes=os.path.getsize(path))],
        duration_ms=round(seconds * 1_000),
        waveform=waveform.peaks(),
    )
