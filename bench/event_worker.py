"""A process of `bench.event_log`: the relay, or a group whose reaction does nothing. Its name is the argument."""

import sys

from gateway import processes
from gateway.terminal import load_settings, run
from protocol.events import PostCreatedEvent
from workers.job import Job, consumes

GROUP = "bench"


@consumes(PostCreatedEvent, group=GROUP)
async def react(job: Job, event: PostCreatedEvent) -> None:
    """Nothing: the path to here is what is measured."""


if __name__ == "__main__":
    run(processes.work(load_settings(), sys.argv[1:]))
