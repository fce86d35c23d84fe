"""Join the answers to all frames of one read into one write: a system call costs more than most answers."""

import asyncio
from typing import Any

LARGEST = 64 * 1024  # bytes; above this size a separate write costs little


class GatheredWrites:
    """Replaces a transport while a read of several frames is handled; `flush` writes everything."""

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
        """Return the unsent bytes, gathered ones included."""
        return self.transport.get_write_buffer_size() + self._size

    def flush(self) -> None:
        if self._frames:
            self.transport.write(b"".join(self._frames))
            self._frames, self._size = [], 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)
