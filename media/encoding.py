"""Streams of an output: a picture or a sound that is encoded, or a stream that is copied as it is."""

from fractions import Fraction

from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.codec.context import Flags
from av.container import OutputContainer
from av.filter import Graph
from av.packet import Packet
from av.stream import Stream
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

CLOCK = Fraction(1, 90_000)
KEY_FRAME_EVERY_S = 2
UNKNOWN_S = Fraction(1, 30)  # of a frame that does not say how long it lasts
SAMPLE_RATE = 48_000
WIDE_COLOURS = (9, 10)  # FFmpeg's numbers of BT.2020
# Bits a second at most, by the shorter side: what a phone network carries.
RATES = {1_080: 6_000_000, 720: 3_000_000, 480: 1_400_000, 240: 500_000}
WITHOUT_SEI = "filter_units=remove_types=6"
TURNS = {90: ("transpose", "cclock"), -90: ("transpose", "clock"), 180: ("hflip", None), -180: ("hflip", None)}


def fitting(size: tuple[int, int], shorter: int) -> tuple[int, int]:
    """Return the size, not above the source's, whose shorter side is at most `shorter`. H.264 needs even numbers."""
    scale = min(1.0, shorter / min(size))
    return max(2, round(size[0] * scale / 2) * 2), max(2, round(size[1] * scale / 2) * 2)


class EncodedPicture:
    """Frames as H.264: upright, of one size, in the colours of television, and at most so many a second."""

    def __init__(
        self, output: OutputContainer, size: tuple[int, int], most_a_second: int, threads: int, *, crf: int = 23
    ) -> None:
        rate = next((rate for side, rate in RATES.items() if min(size) >= side), min(RATES.values()))
        self._output = output
        self._size = size
        self._least_gap_s = 0.9 / most_a_second
        self._graph: Graph | None = None
        self._graph_is_for: tuple[int, int, str, int] | None = None
        self._last_s: float | None = None
        self._key_due_s = 0.0
        self.stream = output.add_stream("libx264", rate=min(most_a_second, 30))
        self.stream.width, self.stream.height = size
        self.stream.pix_fmt = "yuv420p"
        context = self.stream.codec_context
        context.time_base = CLOCK
        context.thread_count = threads
        context.flags |= Flags.frame_duration
        context.options = {
            "preset": "veryfast",
            "crf": str(crf),
            "maxrate": str(rate),
            "bufsize": str(2 * rate),
            "profile": "high",
            "forced-idr": "1",
            # Only the key frames that are asked for: rungs of a ladder are then cut at the same times.
            "g": "6000",
            "sc_threshold": "0",
            "x264-params": "scenecut=0",
        }

    def feed(self, frame: VideoFrame, at_s: float, *, is_key: bool | None = None) -> None:
        """Encode a frame that is shown `at_s`. `is_key` says where to cut; otherwise that is every two seconds."""
        if self._last_s is not None and at_s - self._last_s < self._least_gap_s:
            if is_key:
                self._key_due_s = at_s
            return
        self._last_s = at_s
        cut = at_s >= self._key_due_s
        if is_key is not None:
            cut, self._key_due_s = is_key or cut, float("inf")
        elif cut:
            self._key_due_s = at_s + KEY_FRAME_EVERY_S
        lasts_s = frame.duration * frame.time_base if frame.duration and frame.time_base else UNKNOWN_S
        if not self.stream.codec_context.is_open:
            self._say_colours(frame)
        shown = self._prepared(frame)
        shown.pts, shown.duration, shown.time_base = round(at_s / CLOCK), round(lasts_s / CLOCK), CLOCK
        shown.pict_type = PictureType.I if cut else PictureType.NONE
        self._output.mux(self.stream.encode(shown))

    def finish(self) -> None:
        self._output.mux(self.stream.encode(None))

    def _say_colours(self, frame: VideoFrame) -> None:
        """Without this, players guess them by the size of the video."""
        context, keeps = self.stream.codec_context, _keeps_colours(frame)
        context.colorspace = frame.colorspace if keeps else Colorspace.ITU709
        context.color_primaries = frame.color_primaries if keeps else ColorPrimaries.BT709
        context.color_trc = frame.color_trc if keeps else ColorTrc.BT709
        context.color_range = ColorRange.MPEG

    def _prepared(self, frame: VideoFrame) -> VideoFrame:
        """Turn, scale and convert. A frame may differ from the one before it: the filters are then made again."""
        looks = (frame.width, frame.height, frame.format.name, frame.rotation)
        if self._graph is None or looks != self._graph_is_for:
            self._graph, self._graph_is_for = self._filters(frame), looks
        self._graph.vpush(frame)
        return self._graph.vpull()

    def _filters(self, frame: VideoFrame) -> Graph:
        graph = Graph()
        graph.threads = 1
        nodes = [
            graph.add_buffer(
                width=frame.width, height=frame.height, format=frame.format, time_base=frame.time_base or CLOCK
            )
        ]
        if frame.rotation in TURNS:
            name, how = TURNS[frame.rotation]
            nodes.append(graph.add(name, how))
            if name == "hflip":
                nodes.append(graph.add("vflip"))
        width, height = self._size
        matrix = "" if _keeps_colours(frame) else ":out_color_matrix=bt709"
        nodes.append(graph.add("scale", f"{width}:{height}:flags=bicubic:out_range=tv{matrix}"))
        nodes.append(graph.add("format", "yuv420p"))
        nodes.append(graph.add("setsar", "1"))
        nodes.append(graph.add("buffersink"))
        graph.link_nodes(*nodes)
        graph.configure()
        return graph


def _keeps_colours(frame: VideoFrame) -> bool:
    """Whether the colours are of a kind that every client shows: not RGB, and not those of HDR."""
    return not frame.format.is_rgb and frame.colorspace not in WIDE_COLOURS


class EncodedSound:
    """Samples as AAC: mono or stereo, 48 kHz. Gaps are filled with silence, so that sound and picture stay together."""

    def __init__(self, output: OutputContainer, source: AudioStream) -> None:
        self._output = output
        self._layout = "mono" if source.codec_context.channels == 1 else "stereo"
        self.stream = output.add_stream("aac", rate=SAMPLE_RATE, layout=self._layout)
        self.stream.codec_context.bit_rate = 64_000 if self._layout == "mono" else 128_000
        self._resampler: AudioResampler | None = None
        self._resampler_is_for: tuple[str, str, int] | None = None
        self._written = 0  # samples

    def feed(self, frame: AudioFrame, at_s: float) -> None:
        looks = (frame.format.name, frame.layout.name, frame.sample_rate)
        if self._resampler is None or looks != self._resampler_is_for:
            self._flush()
            options = {"async": "1000", "first_pts": str(self._written)}
            self._resampler = AudioResampler("fltp", self._layout, SAMPLE_RATE, 1_024, options)
            self._resampler_is_for = looks
        frame.time_base = Fraction(1, frame.sample_rate)
        frame.pts = round(at_s * frame.sample_rate)
        self._encode(self._resampler.resample(frame))

    def finish(self) -> None:
        self._flush()
        self._output.mux(self.stream.encode(None))

    def _flush(self) -> None:
        if self._resampler is not None:
            self._encode(self._resampler.resample(None))

    def _encode(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            frame.pts, frame.time_base = self._written, Fraction(1, SAMPLE_RATE)
            self._written += frame.samples
            self._output.mux(self.stream.encode(frame))


class CopiedStream:
    """Packets as they are, without the messages (SEI) in which cameras keep what they know of place and device."""

    def __init__(self, output: OutputContainer, source: Stream) -> None:
        self._output = output
        self.stream = output.add_stream_from_template(source, opaque=True)
        self._untimed: list[Packet[Stream]] = []
        is_picture = source.type == "video"
        self._filter = BitStreamFilterContext(WITHOUT_SEI, source, self.stream) if is_picture else None

    def feed(self, packet: "Packet[Stream]", start: Fraction) -> None:
        """Write a packet, `start` seconds earlier."""
        if packet.size == 0:
            return
        shift = round(start / packet.time_base)
        copy = Packet(bytes(packet))
        copy.time_base, copy.duration, copy.is_keyframe = packet.time_base, packet.duration, packet.is_keyframe
        copy.pts = None if packet.pts is None else packet.pts - shift
        if packet.dts is None:
            # Matroska lacks the first decoding times: they are counted back from the first one that it has.
            self._untimed.append(copy)
            return
        copy.dts = packet.dts - shift
        for index, each in enumerate(self._untimed):
            each.dts = copy.dts - (len(self._untimed) - index) * (each.duration or 1)
        untimed, self._untimed = self._untimed, []
        for each in (*untimed, copy):
            self._write(self._filter.filter(each) if self._filter else [each])

    def finish(self) -> None:
        if self._untimed:
            raise ValueError("a stream without times cannot be copied")
        if self._filter:
            self._write(self._filter.filter(None))

    def _write(self, packets: "list[Packet[Stream]]") -> None:
        for packet in packets:
            packet.stream = self.stream
            self._output.mux(packet)
