"""From an input to outputs: each packet goes to the streams that are made of it, decoded once or copied."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Protocol

import av
from av.audio.frame import AudioFrame
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame

from media.containers import check_duration, start_of
from media.encoding import CopiedStream
from media.jobs import MediaLimits

MOST_DAMAGED = 100  # packets in a row that cannot be decoded: players skip some too


class FrameSink(Protocol):
    def feed(self, frame: Any, at_s: float) -> None: ...
    def finish(self) -> None: ...


class Route:
    """Where the packets of one stream go: as they are to some outputs, decoded once to others."""

    def __init__(self, *, copies: Sequence[CopiedStream] = (), encoders: Sequence[FrameSink] = ()) -> None:
        self._copies = copies
        self._encoders = encoders
        self._damaged = 0
        self._end_s = 0.0

    def take(self, packet: "Packet[Stream]", start: Fraction) -> float:
        """Returns the second at which the stream has come to."""
        for output in self._copies:
            output.feed(packet, start)
        if self._encoders:
            self._decode(packet, start)
        elif packet.pts is not None:
            self._end_s = max(self._end_s, float((packet.pts + (packet.duration or 0)) * packet.time_base - start))
        return self._end_s

    def finish(self) -> None:
        for copy in self._copies:
            copy.finish()
        for encoder in self._encoders:
            encoder.finish()

    def _decode(self, packet: "Packet[Stream]", start: Fraction) -> None:
        try:
            frames = packet.decode()
        except av.FFmpegError:
            self._damaged += 1
            if self._damaged > MOST_DAMAGED:
                raise
            return
        self._damaged = 0
        for frame in frames:
            if not isinstance(frame, AudioFrame | VideoFrame):
                continue
            at_s = self._end_s
            if frame.pts is not None and frame.time_base:
                at_s = max(0.0, float(frame.pts * frame.time_base - start))
            for encoder in self._encoders:
                encoder.feed(frame, at_s)
            self._end_s = max(self._end_s, at_s + _seconds(frame))


def pump(
    source: InputContainer, routes: dict[Stream, Route], limits: MediaLimits, progress: Callable[[float], None]
) -> float:
    """Read the file to its end. Returns its seconds; raises Failure if these are too many."""
    by_index = {stream.index: route for stream, route in routes.items()}
    start = start_of(source)
    end_s = 0.0
    for packet in source.demux(*routes):
        end_s = max(end_s, by_index[packet.stream.index].take(packet, start))
        check_duration(end_s, limits)
        progress(end_s)
    for route in routes.values():
        route.finish()
    return end_s


def _seconds(frame: AudioFrame | VideoFrame) -> float:
    if isinstance(frame, AudioFrame):
        return frame.samples / frame.sample_rate
    return float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 1 / 30
