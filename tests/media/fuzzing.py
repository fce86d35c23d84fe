"""Sends damaged copies of good files to the worker's side of processing: `python -m tests.media.fuzzing --seconds 60`.

Whatever a decoder does with them, each ends as a result or as a reason. Anything else is raised.
"""

import argparse
import asyncio
import random
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from media.jobs import Failure
from tests.media.corpus import CASES
from tests.media.runs import children, run

LARGEST = 200_000  # bytes: small files meet more decoders in a second
TOGETHER = 2
STEPS = {"image": ("first", "second"), "video": ("first", "second"), "audio": ("first",)}


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Return the file with some bytes changed, and perhaps a piece doubled, moved or cut off."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 3, 10, 100))):
        # Headers say most: half of the changes are in the first kilobyte.
        end = min(len(changed), 1_024) if chance.random() < 0.5 else len(changed)
        changed[chance.randrange(end)] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
    start, length = chance.randrange(len(changed)), chance.randrange(1, 500)
    match chance.randrange(6):
        case 0:
            changed[start:start] = changed[start : start + length]
        case 1:
            del changed[start : start + length]
        case 2:
            del changed[start:]
    return bytes(changed)


async def fuzz(seconds: float, seed: int) -> Counter[str]:
    """Returns how often each end came."""
    folder = Path(tempfile.mkdtemp())
    chance = random.Random(seed)
    good = [case for case in CASES.values() if not case.codes]
    files = {case.name: path.read_bytes() for case in good if (path := case.write(folder)).stat().st_size <= LARGEST}
    ends: Counter[str] = Counter()
    until = time.monotonic() + seconds

    async def send_files(number: int) -> None:
        while time.monotonic() < until:
            case = chance.choice([case for case in good if case.name in files])
            source = folder / f"damaged-{number}"
            source.write_bytes(damaged(files[case.name], chance))
            result, output, _ = await run(folder, source, case.kind, chance.choice(STEPS[case.kind]))  # type: ignore[arg-type]
            ends[f"{case.kind}: {result.code if isinstance(result, Failure) else 'processed'}"] += 1
            shutil.rmtree(output.parent)

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(TOGETHER):
                group.create_task(send_files(number))
    finally:
        shutil.rmtree(folder)
    assert children() == []
    return ends


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    asked = parser.parse_args()
    print(f"seed {asked.seed}")
    for end, count in sorted(asyncio.run(fuzz(asked.seconds, asked.seed)).items()):
        print(f"{count:6} {end}")


if __name__ == "__main__":
    main()
