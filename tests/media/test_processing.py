"""The parent's side: no child outlives its time, none is trusted, and whatever becomes of it ends as a reason."""

import asyncio
import random
from glob import glob
from pathlib import Path

import pytest

from media import processing
from media.jobs import Failure, Processed
from media.processing import ProcessingRules, ProcessingUnavailable, make_job, process
from tests.media.films import make_film
from tests.media.fuzzing import fuzz
from tests.media.runs import children, run


async def test_damaged_files_end_no_process_but_the_child() -> None:
    ends = await fuzz(3, random.randrange(1 << 32))
    assert sum(ends.values()) >= 2


async def test_child_that_is_too_slow_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_film(tmp_path / "a.mkv", size=(1_280, 720), video="ffv1", seconds=2)
    monkeypatch.setattr(processing, "PATIENCE", 0)
    result, _, _ = await run(tmp_path, source, "video")
    assert isinstance(result, Failure)
    assert result.code == "too_slow"
    assert children() == []


async def test_cancelled_call_ends_its_child(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mkv", size=(1_280, 720), video="ffv1", seconds=2)
    running = asyncio.create_task(run(tmp_path, source, "video"))
    while not glob(f"{tmp_path}/*/output"):  # it works
        await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert children() == []


async def test_child_that_cannot_start_is_no_fault_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_film(tmp_path / "a.mp4")
    monkeypatch.setattr(processing.sys, "executable", "/bin/false")
    with pytest.raises(ProcessingUnavailable):
        await run(tmp_path, source, "video")


@pytest.mark.parametrize(("used", "fault"), [(11, Failure), (10, ProcessingUnavailable)])
async def test_file_that_fills_the_folder_by_itself_is_at_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, used: int, fault: type[Exception]
) -> None:
    (tmp_path / "output").mkdir()
    (tmp_path / "output" / "a.webp").write_bytes(bytes(used))
    # A child in the place of ours: its device is full.
    child = tmp_path / "child"
    child.write_text("#!/bin/sh\necho '{\"has_no_space\": true}'\n")
    child.chmod(0o700)
    monkeypatch.setattr(processing.sys, "executable", str(child))
    job = make_job("image", "first", "source", ProcessingRules(largest_output=10))
    with pytest.raises(fault):
        await process(job, tmp_path, nothing)


@pytest.mark.parametrize("name", ["link.webp", "hard.webp", "page.html", "..webp", "folder.webp"])
async def test_files_of_a_child_that_was_taken_over_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("secret")
    output = tmp_path / "output"
    output.mkdir()
    match name:
        case "link.webp":
            (output / name).symlink_to("/etc/passwd")
        case "hard.webp":
            (output / name).hardlink_to(tmp_path / "secret")
        case "folder.webp":
            (output / name).mkdir()
        case _:
            (output / name).write_text("x")
    with pytest.raises(Failure) as raised:
        processing._checked(Processed(variants=[]), output)
    assert raised.value.code == "damaged"


async def test_output_is_bounded(tmp_path: Path) -> None:
    source = make_film(tmp_path / "a.mkv", size=(1_280, 720), video="ffv1", seconds=1)
    job = processing.make_job("video", "first", "a.mkv", ProcessingRules(largest_output=1_000))

    async def ignore(percent: int) -> None: ...

    with pytest.raises(Failure) as raised:
        await processing.process(job, source.parent, ignore)
    assert raised.value.code == "too_large"


async def nothing(percent: int) -> None:
    pass
