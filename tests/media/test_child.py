"""The child's work in this process, without the sandbox: where coverage and debuggers can follow it."""

from pathlib import Path
from typing import Any

import pytest

from media.child import Reporter, load_work, result
from media.jobs import OUTPUT, ChildReport, MediaLimits, Processed, ProcessingJob, Step
from media.sandbox import SandboxLimits
from media.sniff import Kind
from tests.media.cleanliness import metadata_in
from tests.media.corpus import CASES
from tests.media.films import make_film


class Heard(Reporter):
    """Keeps the reports."""

    def __init__(self) -> None:
        super().__init__()
        self.reports: list[ChildReport] = []

    def say(self, report: ChildReport) -> None:
        self.reports.append(report)


def work_on(source: Path, kind: Kind, step: Step = "first", **limits: Any) -> tuple[ChildReport, list[ChildReport]]:
    """Call it in the folder of the results."""
    Path(OUTPUT).mkdir()
    job = ProcessingJob(kind, step, str(source), MediaLimits(**limits), SandboxLimits(0, 0, 0), stem="abcd_")
    heard = Heard()
    return result(job, load_work(job), heard), heard.reports


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "kind", "step", "variants"),
    [
        ("turned-6.jpg", "image", "first", {"w300"}),
        ("palette.png", "image", "first", {"w400", "w320"}),
        ("16-bit.png", "image", "first", {"w100"}),
        ("bad-icc.jpg", "image", "first", {"w400", "w320"}),
        ("turned-6.jpg", "image", "second", {"w300-avif"}),
        ("moving.gif", "image", "second", {"animation"}),
        ("odd.mkv", "video", "first", {"mp4", "poster"}),
        ("turned.mp4", "video", "first", {"mp4", "poster"}),
        ("film.mkv", "video", "first", {"mp4", "poster"}),
        ("phone.mp4", "video", "second", {"hls"}),
        ("song.mp3", "audio", "first", {"sound"}),
    ],
)
def test_file_is_processed(folder: Path, name: str, kind: Kind, step: Step, variants: set[str]) -> None:
    report, _ = work_on(CASES[name].write(folder), kind, step)
    assert report.processed is not None, report.failure
    assert {variant.name for variant in report.processed.variants} == variants
    written = list((folder / OUTPUT).iterdir())
    assert {path.name[:5] for path in written} == {"abcd_"}
    assert [found for path in written for found in metadata_in(path)] == []


@pytest.mark.parametrize(
    ("name", "kind", "limits", "code"),
    [
        ("program.jpg", "image", {}, "refused_type"),
        ("cut-gps.jpg", "image", {}, "damaged"),
        ("gps.jpg", "image", {"image_pixels": 9}, "too_large"),
        ("moving.gif", "image", {"animation_frames": 9}, "too_long"),
        ("sound-only.mp4", "video", {}, "no_picture"),
        ("cut.mp4", "video", {}, "damaged"),
        ("cut-index-first.mp4", "video", {}, "incomplete"),
        ("phone.mp4", "video", {"video_pixels": 9}, "too_large"),
        ("phone.mp4", "video", {"frame_rate": 9}, "too_large"),
        ("index-first.mp4", "video", {"duration_s": 1}, "too_long"),
        ("film-without-sound.mp4", "audio", {}, "no_sound"),
    ],
)
def test_file_is_refused(folder: Path, name: str, kind: Kind, limits: dict[str, Any], code: str) -> None:
    report, _ = work_on(CASES[name].write(folder), kind, **limits)
    assert report.failure is not None
    assert report.failure[0] == code


def test_long_animation_is_refused_in_its_second_step(folder: Path) -> None:
    report, _ = work_on(CASES["moving.gif"].write(folder), "image", "second", animation_s=0)
    assert report.failure is not None
    assert report.failure[0] == "too_long"


def test_ladder_reports_what_is_expected_and_how_far_it_has_come(folder: Path) -> None:
    source = make_film(folder / "a.mp4", size=(640, 480), seconds=2)
    report, reports = work_on(source, "video", "second")
    assert isinstance(report.processed, Processed)
    assert reports[0].expected_s == pytest.approx(2, abs=0.1)
    assert reports[1].percent in range(100)


@pytest.mark.parametrize(
    ("error", "report"),
    [
        (MemoryError(), "too_large"),
        (OSError(27, "File too large"), "too_large"),
        (RuntimeError(), "damaged"),
    ],
)
def test_what_a_decoder_raises_is_a_reason(folder: Path, error: Exception, report: str) -> None:
    def fails(*_: object) -> Processed:
        raise error

    job = ProcessingJob("image", "first", "a.jpg", MediaLimits(), SandboxLimits(0, 0, 0))
    CASES["gps.jpg"].write(folder).rename(folder / "a.jpg")
    failure = result(job, fails, Heard()).failure
    assert failure is not None
    assert failure[0] == report


def test_full_disk_is_no_fault_of_the_file(folder: Path) -> None:
    def fails(*_: object) -> Processed:
        raise OSError(28, "No space left on device")

    job = ProcessingJob("image", "first", "a.jpg", MediaLimits(), SandboxLimits(0, 0, 0))
    CASES["gps.jpg"].write(folder).rename(folder / "a.jpg")
    assert result(job, fails, Heard()).has_no_space
