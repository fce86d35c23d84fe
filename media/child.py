"""The process that decodes one file: `python -m media.child`, in its scratch folder.

It reads a ProcessingJob from stdin, and writes lines of JSON to stdout: what the sandbox lacks, the duration once it is
known, percents, and at last the result.
"""

import os
import sys
import time
import traceback
from collections.abc import Callable
from errno import EFBIG

import msgspec

from media import sandbox
from media.jobs import DAMAGED, FULL, OUTPUT, TOO_LARGE, ChildReport, Failure, Processed, ProcessingJob
from media.sniff import HEAD_BYTES, FileType, describe, sniff

REPORT_EVERY_S = 0.5
KINDS = {"image": "an image", "video": "a video", "audio": "a sound"}

Work = Callable[[ProcessingJob, FileType, "Reporter"], Processed]


class Reporter:
    """Writes lines for the parent; of percents, at most two a second."""

    def __init__(self) -> None:
        self._whole = 1.0
        self._percent = 0
        self._due_at = 0.0

    def say(self, report: ChildReport) -> None:
        sys.stdout.buffer.write(msgspec.json.encode(report) + b"\n")
        sys.stdout.buffer.flush()

    def expect(self, seconds: float) -> None:
        self._whole = max(seconds, 0.001)
        self.say(ChildReport(expected_s=seconds))

    def progress(self, done: float) -> None:
        percent = min(99, int(done * 100 / self._whole))
        if percent > self._percent and time.monotonic() >= self._due_at:
            self._percent, self._due_at = percent, time.monotonic() + REPORT_EVERY_S
            self.say(ChildReport(percent=percent))


def main() -> None:
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=ProcessingJob)
    work = load_work(job)
    os.nice(job.niceness)
    os.makedirs(OUTPUT)
    reporter = Reporter()
    reporter.say(ChildReport(lacking=sandbox.enter(os.getcwd(), job.resources)))
    reporter.say(result(job, work, reporter))


def load_work(job: ProcessingJob) -> Work:
    """Import what the job needs: the sandbox lets no module be loaded later."""
    if job.kind == "image":
        from media.images import process_avif, process_image

        if job.step == "first":
            return lambda job, file_type, reporter: process_image(job, file_type)
        from media.animations import process_animation
        from media.images import is_animated

        def make_second(job: ProcessingJob, file_type: FileType, reporter: Reporter) -> Processed:
            if is_animated(job, file_type):
                return process_animation(job, file_type, reporter.progress)
            return process_avif(job, file_type)

        return make_second
    if job.kind == "audio":
        from media.sounds import process_sound

        return lambda job, file_type, reporter: process_sound(job, file_type, reporter.expect, reporter.progress)
    if job.step == "first":
        from media.videos import process_video

        return lambda job, file_type, reporter: process_video(job, file_type, reporter.expect, reporter.progress)
    from media.ladders import process_ladder

    return lambda job, file_type, reporter: process_ladder(job, file_type, reporter.expect, reporter.progress)


def result(job: ProcessingJob, work: Work, reporter: Reporter) -> ChildReport:
    """Process the file. Whatever a decoder raises ends as a reason that the user can read."""
    try:
        with open(job.source, "rb") as file:
            head = file.read(HEAD_BYTES)
        file_type = sniff(head)
        if file_type is None or not file_type.can_be(job.kind):
            raise Failure("refused_type", f"The file is {describe(head)}; it was uploaded as {KINDS[job.kind]}.")
        return ChildReport(processed=work(job, file_type, reporter))
    except Failure as failure:
        return ChildReport(failure=(failure.code, failure.text))
    except Exception as error:
        traceback.print_exc()
        number = getattr(error, "errno", None)
        if number in FULL:
            return ChildReport(has_no_space=True)
        if isinstance(error, MemoryError) or number == EFBIG:
            return ChildReport(failure=("too_large", TOO_LARGE))
        return ChildReport(failure=("damaged", DAMAGED))


if __name__ == "__main__":
    main()
