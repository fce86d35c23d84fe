"""A worker process with the relay, and one group whose reaction stores each of its runs.

Run as `python -m tests.chaos.log_worker`, with the settings of `daira work`.
"""

import sys

from gateway import processes
from gateway.terminal import load_settings, run
from protocol.events import PostCreatedEvent
from workers.job import Job, consumes

GROUP = "chaos"


@consumes(PostCreatedEvent, group=GROUP)
async def store_run(job: Job, event: PostCreatedEvent) -> None:
    async with job.transaction() as tx:
        await tx.execute("INSERT INTO runs (event_id, key) VALUES ($1, $2)", job.event_id, str(event.author_id))


if __name__ == "__main__":
    sys.exit(run(processes.work(load_settings(), ["relay", GROUP])))
