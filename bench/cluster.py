"""Real servers, two nodes and workers for a benchmark, in its own process."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from gateway.observability import configure_logs
from tests.cluster import Cluster


@asynccontextmanager
async def running_cluster() -> AsyncIterator[Cluster]:
    """Yield a cluster. It stops at the end, and its data is removed."""
    configure_logs("error", "json")
    with tempfile.TemporaryDirectory(prefix="daira-bench-") as folder:
        async with AsyncExitStack() as closing:
            cluster = Cluster(Path(folder), driver=None)
            closing.push_async_callback(cluster.stop)
            await cluster.start()
            yield cluster
            await cluster.leave()
