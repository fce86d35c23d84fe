"""The parent's side of processing: starts the child, reads its reports, ends it after its timeout.

The parent never decodes anything, and does not trust the child's files: a decoder with a hole may have written them.
"""

import asyncio
import contextlib
import os
import re
import signal
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import msgspec
import structlog
from prometheus_client import Counter

from media.jobs import (
    CONTENT_TYPES,
    DAMAGED,
    FULL,
    OUTPUT,
    TOO_LARGE,
    TOO_SLOW,
    ChildReport,
    Failure,
    MediaLimits,
    Processed,
    ProcessingJob,
    Step,
)
from media.sandbox import SandboxLimits
from media.sniff import Kind

LONGEST_LINE = 1_000_000  # bytes; the list of a long video's segments is the longest
MOST_ERRORS = 4_000  # bytes of the child's errors that are logged
FILE_NAME = re.compile(r"[a-z0-9_]{1,40}\.([a-z0-9]{2,4})")
MOST_FILES = 10_000
START_S = 60.0  # that a child may take before it reports anything
START_CPU_S = 10  # of the CPU, which its limit counts from its first instruction
EXIT_S = 5.0  # and after its last report
# A step is expected to take this long, and ended after PATIENCE times that.
EXPECTED_S: dict[tuple[Kind, Step], float] = {
    ("image", "first"): 5,
    ("image", "second"): 30,
    ("audio", "first"): 10,
    ("video", "first"): 20,
    ("video", "second"): 20,
}
# And this much longer for each second of video or sound, on two cores.
EXPECTED_RATE: dict[tuple[Kind, Step], float] = {("audio", "first"): 0.1, ("video", "first"): 2, ("video", "second"): 2}
PATIENCE = 3
GIB = 1 << 30
MEMORY: dict[Kind, int] = {"image": 2 * GIB, "audio": GIB, "video": 3 * GIB}

# Users wait for pictures, and expect videos to take longer: the more a step costs, the lower is its priority.
NICENESS: dict[tuple[Kind, Step], int] = {
    ("image", "first"): 0,
    ("audio", "first"): 5,
    ("video", "first"): 10,
    ("image", "second"): 15,
    ("video", "second"): 15,
}

NO_SPACE = "no space is left for files in work"

KILLED = Counter("daira_media_killed_total", "Child processes that were ended for their time", ["kind"])

log = structlog.get_logger()
OnProgress = Callable[[int], Awaitable[None]]


class ProcessingRules(msgspec.Struct, frozen=True):
    """Resources and bounds that this machine gives to processing."""

    limits: MediaLimits = MediaLimits()
    threads: int = 2  # of one child
    largest_output: int = 2_000_000_000  # bytes of a file
    scratch: str | None = None  # the folder of files in work; None: the system's for temporary files


class ProcessingUnavailable(Exception):
    """This machine cannot process now: the file is not at fault."""


@contextlib.contextmanager
def needing_space() -> Iterator[None]:
    """Raises ProcessingUnavailable if the body finds the scratch folder full."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise ProcessingUnavailable(NO_SPACE) from error
        raise


def expected_s(kind: Kind, step: Step, duration_s: float = 0.0) -> float:
    """Return how long a step is expected to take."""
    return EXPECTED_S[kind, step] + EXPECTED_RATE.get((kind, step), 0) * duration_s


def make_job(kind: Kind, step: Step, source: str, rules: ProcessingRules, stem: str = "") -> ProcessingJob:
    """Return a job with the resources that its kind needs. Times of the CPU are those of the longest file."""
    longest_s = PATIENCE * expected_s(kind, step, 0 if kind == "image" else rules.limits.duration_s)
    cpu_s = START_CPU_S + round(longest_s) * rules.threads
    resources = SandboxLimits(cpu_s, MEMORY[kind], rules.largest_output)
    return ProcessingJob(kind, step, source, rules.limits, resources, rules.threads, NICENESS[kind, step], stem)


async def process(job: ProcessingJob, scratch: Path, on_progress: OnProgress) -> Processed:
    """Process `scratch / job.source`, which only this call uses. The results are in `scratch / OUTPUT`.

    Raises Failure with a reason for the user, or ProcessingUnavailable.
    """
    try:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", "media.child"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=scratch,
            env={},
            limit=LONGEST_LINE,
        )
    except OSError as error:
        raise ProcessingUnavailable(str(error)) from error
    errors = asyncio.create_task(_read_errors(child))
    try:
        last = await _follow(child, job, on_progress)
        # It ends by itself: a signal now would hide how it ended.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EXIT_S):
                await child.wait()
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()
        said = await errors
    if said:
        log.info("the child process reported errors", kind=job.kind, step=job.step, errors=said)
    if last is None:
        raise ProcessingUnavailable("the child process did not start")
    if last.has_no_space:
        raise _without_space(scratch / OUTPUT, job.resources.file_bytes)
    if last.failure is not None:
        raise Failure(*last.failure)
    if last.processed is None:
        raise _death(child.returncode or 0)
    return _checked(last.processed, scratch / OUTPUT)


async def _follow(child: asyncio.subprocess.Process, job: ProcessingJob, on_progress: OnProgress) -> ChildReport | None:
    """Return the last report, None without any. Raises Failure if the child is too slow."""
    assert child.stdin is not None
    assert child.stdout is not None
    with contextlib.suppress(ConnectionError, RuntimeError):  # the latter is uvloop's, for a closed pipe
        child.stdin.write(msgspec.json.encode(job))
        await child.stdin.drain()
        child.stdin.close()
    loop = asyncio.get_running_loop()
    started_at = loop.time()
    deadline = started_at + START_S
    last = None
    try:
        while True:
            async with asyncio.timeout_at(deadline):
                line = await child.stdout.readline()
            if not line:
                return last
            last = msgspec.json.decode(line, type=ChildReport)
            if last.lacking is not None:
                _log_lacking(last.lacking)
                deadline = started_at + PATIENCE * expected_s(job.kind, job.step)
            elif last.expected_s is not None:
                seconds = min(last.expected_s, job.limits.duration_s)
                deadline = started_at + PATIENCE * expected_s(job.kind, job.step, seconds)
            elif last.percent is not None:
                await on_progress(min(99, max(0, last.percent)))
            else:
                return last
    except TimeoutError:
        if last is None:
            return None
        KILLED.labels(job.kind).inc()
        raise Failure("too_slow", TOO_SLOW) from None
    except (ValueError, msgspec.DecodeError):
        return last  # no line of ours: as if it had crashed


async def _read_errors(child: asyncio.subprocess.Process) -> str:
    """Return the end of what the child wrote to stderr."""
    assert child.stderr is not None
    kept = b""
    while chunk := await child.stderr.read(LONGEST_LINE):
        kept = (kept + chunk)[-MOST_ERRORS:]
    return kept.decode(errors="replace").strip()


def _without_space(output: Path, most_bytes: int) -> Exception:
    """The file is at fault if its results take more than one may: it would fill the folder again and again."""
    used = sum(entry.stat(follow_symlinks=False).st_size for entry in os.scandir(output))
    return Failure("too_large", TOO_LARGE) if used > most_bytes else ProcessingUnavailable(NO_SPACE)


def _death(code: int) -> Failure:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return Failure("too_slow", TOO_SLOW)
    return Failure("damaged", DAMAGED)


def _checked(processed: Processed, output: Path) -> Processed:
    """Return the results with the files that are really there. Links and odd names come from an attacker."""
    files: dict[str, int] = {}
    for entry in os.scandir(output):
        found = entry.stat(follow_symlinks=False)
        match = FILE_NAME.fullmatch(entry.name)
        if not match or match[1] not in CONTENT_TYPES or not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            raise Failure("damaged", DAMAGED)
        files[entry.name] = found.st_size
    if len(files) > MOST_FILES or any(variant.file not in files for variant in processed.variants):
        raise Failure("damaged", DAMAGED)
    variants = [
        msgspec.structs.replace(
            each, content_type=CONTENT_TYPES[each.file.rpartition(".")[2]], size_bytes=files[each.file]
        )
        for each in processed.variants
    ]
    return msgspec.structs.replace(processed, variants=variants, files=sorted(files))


_logged: set[str] = set()


def _log_lacking(lacking: list[str]) -> None:
    """Log once what the machine lacks."""
    new = set(lacking) - _logged
    if new:
        _logged.update(new)
        log.warning("decoding is less isolated than it should be: the kernel lacks features", lacking=sorted(new))
