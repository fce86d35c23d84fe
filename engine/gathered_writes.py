"""Answers to the frames of one read leave in one write: a system call costs more than most answers do."""

import asyncio
from typing import Any

LARGEST = 64 * 1024  # bytes; from there on a write of its own costs little


class GatheredWrites:
    """Stands in for a transport while a read of several frames is handled."""

    __slots__ = ("_frames", "_size", "transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self._frames: list[bytes] = []
        self._size = 0

    def write(self, frames: bytes) -> None:
        self._frames.append(frames)
        self._size += len(frames)
        if self._size > LARGEST:
            self.flush()

    def get_write_buffer_size(self) -> int:
        """Bytes."""
        return self.transport.get_write_buffer_size() + self._size

    def flush(self) -> None:
        if self._frames:
            self.transport.write(b"".join(self._frames))
            self._frames, self._size = [], 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)
