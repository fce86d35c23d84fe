"""The laptop's servers: PostgreSQL, Redis and S3 from wheels, started, watched and stopped by `daira up`; and LiveKit,
where `make voice` has built it.

Nothing here needs root, Docker or a network. The servers' addresses and passwords stand in `servers.json` in the data
folder, which is how other commands on the same folder find them. A server that dies is started again; when the process
that started them dies, so do they.
"""

from gateway.embedded.addresses import EmbeddedError, Servers, find_servers
from gateway.embedded.livekit import livekit_program
from gateway.embedded.redis import redis_program
from gateway.embedded.runner import EmbeddedServers

__all__ = ["EmbeddedError", "EmbeddedServers", "Servers", "find_servers", "livekit_program", "redis_program"]
