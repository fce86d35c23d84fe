"""Runs of the processing for tests."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from shutil import copyfile

from media.jobs import OUTPUT, Failure, MediaLimits, Processed, Step
from media.processing import ProcessingRules, make_job, process
from media.sniff import Kind


async def run(
    folder: Path, source: Path, kind: Kind, step: Step = "first", limits: MediaLimits | None = None
) -> tuple[Processed | Failure, Path, list[int]]:
    """Process a file in a scratch folder below `folder`. Returns the result, the folder of its files, and percents."""
    scratch = Path(tempfile.mkdtemp(dir=folder))
    copyfile(source, scratch / "source")
    percents: list[int] = []

    async def note(percent: int) -> None:
        percents.append(percent)

    job = make_job(kind, step, "source", ProcessingRules(limits or MediaLimits(), threads=1))
    result: Processed | Failure
    try:
        result = await process(job, scratch, note)
    except Failure as failure:
        result = failure
    return result, scratch / OUTPUT, percents


def children() -> list[int]:
    """Return the processes that this one has started and that still exist."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):
            found += map(int, (task / "children").read_text().split())
    return [pid for pid in found if "media.child" in _command(pid)]


def _command(pid: int) -> str:
    with suppress(OSError):
        return Path(os.fspath(f"/proc/{pid}/cmdline")).read_bytes().replace(b"\0", b" ").decode()
    return ""
