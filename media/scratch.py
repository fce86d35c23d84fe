"""Scratch folders: private to a process, one for each attempt, and removed when either ends.

A process that is killed leaves its folder behind. The next process on the machine removes it: a lock on a file inside
says whether its owner lives.
"""

import asyncio
import fcntl
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

PREFIX = "daira-media-"
LOCK = "lock"


class Scratch:
    """The folder of a process, below `parent` or the system's for temporary files."""

    def __init__(self, parent: str | None) -> None:
        self._root = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        self._lock = (self._root / LOCK).open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        for other in self._root.parent.glob(f"{PREFIX}*"):
            if other != self._root:
                _remove_if_left_behind(other)

    def close(self) -> None:
        shutil.rmtree(self._root, ignore_errors=True)
        self._lock.close()

    @asynccontextmanager
    async def folder(self) -> AsyncIterator[Path]:
        """Yield an empty folder."""
        path = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self._root))
        try:
            yield path
        finally:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)


def _remove_if_left_behind(folder: Path) -> None:
    # Of another user, or removed by another process meanwhile, or not locked yet: it is left alone.
    with suppress(OSError), (folder / LOCK).open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
