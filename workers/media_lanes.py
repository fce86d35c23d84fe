"""The lanes of media: files wait for a slot of their lane, so that no image is ever behind a video.

Two lanes are in the table: the quick one, and the bulk one, which holds videos and second steps. Here each kind of work
has slots of its own in every process that runs its lane.
"""

import asyncio
from typing import NamedTuple

from media.scratch import Scratch
from protocol.media import MediaKind
from storage import media_work
from storage.cancellation import end
from storage.media import Lane
from storage.media_work import WorkStatus
from workers.job import Tools
from workers.media_attempts import Attempt
from workers.woken_loop import Pace, run_when_woken

PACE = Pace(poll_s=0.5, poll_while_listening_s=2.0, rest_s=0.05)


class LaneOfWork(NamedTuple):
    lane: Lane
    status: WorkStatus
    kind: MediaKind
    slots: int = 1  # of a process


LANES = {
    "media-images": LaneOfWork("quick", "processing", "image", slots=2),
    "media-sounds": LaneOfWork("quick", "processing", "audio"),
    "media-videos": LaneOfWork("bulk", "processing", "video"),
    "media-image-extras": LaneOfWork("bulk", "ready", "image"),
    "media-video-extras": LaneOfWork("bulk", "ready", "video"),
}


async def run_lane(tools: Tools, name: str, listen_url: str, stop: asyncio.Event) -> None:
    """Run until `stop` is set. What is being worked on then is given back."""
    lane = _Lane(tools, LANES[name], stop)
    try:
        await run_when_woken(name, lane.turn, PACE, listen_url, stop)
    finally:
        await lane.close()


class _Lane:
    def __init__(self, tools: Tools, rule: LaneOfWork, stop: asyncio.Event) -> None:
        self._tools = tools
        self._rule = rule
        self._scratch = Scratch(tools.processing.scratch)
        self._attempts: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.create_task(stop.wait())

    async def turn(self) -> bool:
        """Begin with the next file once a slot is free. Returns whether there was one."""
        if len(self._attempts) >= self._rule.slots:
            await asyncio.wait({*self._attempts, self._stopping}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.done():
                return False
        async with self._tools.database.transaction() as tx:
            work = await media_work.take(tx, self._rule.lane, self._rule.status, self._rule.kind)
        if work is None:
            return False
        attempt = asyncio.create_task(Attempt(self._tools, self._scratch, work).run())
        self._attempts.add(attempt)
        attempt.add_done_callback(self._attempts.discard)
        return True

    async def close(self) -> None:
        await end(self._stopping, *self._attempts)
        self._scratch.close()
