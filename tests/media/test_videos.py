"""What becomes of videos and sounds: copied where they fit, upright, in step, cut alike on all rungs."""

from pathlib import Path

import av
import pytest

from media.jobs import MASTER_PLAYLIST, Failure, MediaLimits, Processed
from media.ladders import rung_sizes
from tests.media.cleanliness import metadata_in
from tests.media.corpus import CASES
from tests.media.films import make_film
from tests.media.runs import run


async def processed(folder: Path, source: Path, kind: str = "video", step: str = "first") -> tuple[Processed, Path]:
    result, output, _ = await run(folder, source, kind, step)  # type: ignore[arg-type]
    assert isinstance(result, Processed), result.text
    return result, output


def video_packets(path: Path) -> list[bytes]:
    """Return the coded pictures of a file, without messages (SEI)."""
    with av.open(str(path)) as file:
        return [bytes(packet) for packet in file.demux(video=0) if packet.size]


async def test_video_that_fits_is_copied(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mp4")
    result, output = await processed(tmp_path, source)
    before, after = video_packets(source), video_packets(output / "video.mp4")
    assert len(before) == len(after)
    assert before[1:] == after[1:]  # the first loses the encoder's message
    assert before[0].endswith(after[0])
    assert result.duration_ms == pytest.approx(1_000, abs=60)


@pytest.mark.parametrize("name", ["phone.mp4", "index-first.mp4", "odd.mkv"])
async def test_index_comes_before_the_pictures(tmp_path: Path, name: str) -> None:
    _, output = await processed(tmp_path, CASES[name].write(tmp_path))
    content = (output / "video.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


async def test_turned_video_is_upright(tmp_path: Path) -> None:
    result, output = await processed(tmp_path, make_film(tmp_path / "a.mp4", turned=-90))
    assert (result.width, result.height) == (180, 320)
    with av.open(str(output / "video.mp4")) as file:
        shown = next(file.decode(video=0))
        assert shown.rotation == 0
        picture = shown.to_image()
    # Turned by a quarter to the right, the red quarter is at the right.
    assert picture.getpixel((135, 80))[0] > 150
    assert picture.getpixel((45, 80))[0] < 100


@pytest.mark.parametrize(
    "name", ["film.mkv", "film.ts", "browser.webm", "odd.mkv", "wide-colours.mp4", "late-sound.mp4"]
)
async def test_every_client_plays_the_result(tmp_path: Path, name: str) -> None:
    _, output = await processed(tmp_path, CASES[name].write(tmp_path))
    with av.open(str(output / "video.mp4")) as file:
        video, sound = file.streams.video[0].codec_context, file.streams.audio[0].codec_context
        assert (video.name, video.pix_fmt, sound.name, sound.profile) == ("h264", "yuv420p", "aac", "LC")
        assert video.width % 2 == video.height % 2 == 0
        pictures, sounds = (list(file.decode(each)) if file.seek(0) is None else [] for each in file.streams)
    assert len(pictures) in range(22, 27)
    assert sum(each.samples for each in sounds) / 48_000 == pytest.approx(1, abs=0.1)
    assert sounds[0].time == pytest.approx(0.5 if name == "late-sound.mp4" else 0, abs=0.05)


@pytest.mark.parametrize(("codec", "pixels"), [("ffv1", "yuv444p"), ("libx264rgb", "rgb24"), ("libx264", "yuvj420p")])
async def test_colours_of_videos_stay(tmp_path: Path, codec: str, pixels: str) -> None:
    _, output = await processed(tmp_path, make_film(tmp_path / "a.mkv", video=codec, pixels=pixels))
    with av.open(str(output / "video.mp4")) as file:
        shown = next(file.decode(video=0))
        picture = shown.to_image()
    assert picture.getpixel((60, 40)) == pytest.approx((220, 20, 20), abs=25)
    assert picture.getpixel((280, 40)) == pytest.approx((30, 60, 120), abs=25)


async def test_uneven_frames_keep_their_times(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mkv", video="ffv1", times=[0, 0.1, 0.15, 0.5, 1.2])
    _, output = await processed(tmp_path, source)
    with av.open(str(output / "video.mp4")) as file:
        assert [frame.time for frame in file.decode(video=0)] == pytest.approx([0, 0.1, 0.15, 0.5, 1.2], abs=0.002)


async def test_rate_above_60_is_thinned(tmp_path: Path) -> None:
    _, output = await processed(tmp_path, make_film(tmp_path / "a.mp4", rate=100))
    with av.open(str(output / "video.mp4")) as file:
        assert len(list(file.decode(video=0))) in range(45, 62)


async def test_ladder_has_rungs_below_the_source_that_are_cut_alike(tmp_path: Path) -> None:
    source = make_film(
        tmp_path / "a.mp4", size=(640, 480), seconds=14, rate=10, options={"g": "20", "preset": "veryfast"}
    )
    first, output = await processed(tmp_path, source)
    assert first.has_second_step
    second, ladder = await processed(tmp_path, output / "video.mp4", step="second")
    assert [variant.file for variant in second.variants] == [MASTER_PLAYLIST]
    for file in second.files:
        assert metadata_in(ladder / file) == []
    master = (ladder / MASTER_PLAYLIST).read_text()
    assert "RESOLUTION=640x480" in master
    assert "RESOLUTION=320x240" in master
    assert master.count('CODECS="avc1.') == master.count(',mp4a.40.2"') == 2
    lengths = [
        [line for line in (ladder / f"{rung}.m3u8").read_text().splitlines() if line.startswith("#EXTINF")]
        for rung in (480, 240)
    ]
    assert len(lengths[0]) == 3
    assert lengths[0] == lengths[1]
    assert video_packets(output / "video.mp4")[1] in (ladder / "480_00000.m4s").read_bytes()  # copied
    for rung in (480, 240):
        with av.open(str(ladder / f"{rung}.m3u8")) as file:
            assert len(list(file.decode(video=0))) == 140


async def test_ladder_of_a_video_with_rare_key_frames_is_encoded(tmp_path: Path) -> None:
    options = {"g": "1000", "sc_threshold": "0", "preset": "ultrafast"}
    source = make_film(tmp_path / "a.mp4", seconds=13, rate=5, audio=None, options=options)
    _, output = await processed(tmp_path, source)
    second, ladder = await processed(tmp_path, output / "video.mp4", step="second")
    assert len([file for file in second.files if file.endswith(".m4s")]) > 1
    assert "mp4a" not in (ladder / MASTER_PLAYLIST).read_text()


@pytest.mark.parametrize(
    ("source", "rungs"),
    [
        ((1_920, 1_080), [(1_920, 1_080), (1_280, 720), (854, 480), (426, 240)]),
        ((1_080, 1_920), [(1_080, 1_920), (720, 1_280), (480, 854), (240, 426)]),
        ((800, 500), [(800, 500), (384, 240)]),
        ((320, 240), [(320, 240)]),
    ],
)
def test_rungs(source: tuple[int, int], rungs: list[tuple[int, int]]) -> None:
    assert rung_sizes(source) == rungs


async def test_waveform_follows_the_sound(tmp_path: Path) -> None:
    result, output = await processed(tmp_path, make_film(tmp_path / "a.ogg", video=None, audio="libopus"), "audio")
    waveform = result.waveform or []
    assert waveform[0] < waveform[len(waveform) // 2] < waveform[-2] <= 100
    with av.open(str(output / "sound.m4a")) as file:
        assert file.streams.audio[0].codec_context.name == "aac"
        assert not file.streams.video


async def test_duration_is_bounded_by_what_is_found(tmp_path: Path) -> None:
    """A file without a stated duration is read until it is too long."""
    source = make_film(tmp_path / "a.ts", seconds=4, rate=5, format="mpegts")
    result, _, _ = await run(tmp_path, source, "video", limits=MediaLimits(duration_s=2))
    assert isinstance(result, Failure)
    assert result.code == "too_long"


async def test_progress_is_told_at_most_twice_a_second(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mkv", size=(1_280, 720), video="ffv1", seconds=4)
    result, _, percents = await run(tmp_path, source, "video")
    assert isinstance(result, Processed)
    assert percents == sorted(set(percents))
    assert all(0 < percent < 100 for percent in percents)
