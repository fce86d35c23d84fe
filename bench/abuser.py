"""`python -m bench.abuser PORT`: one account that keeps 20 sockets busy; part of `bench.fairness`.

A process of its own, at the lowest priority: what it costs to read the answers is not the server's doing.
Standard input brings a line of JSON: {auth, method, argument}. It says a line once all sockets are connected.
"""

import asyncio
import json
import os
import sys
import time
from typing import Any

import uvloop

from bench.realtime import frames
from bench.realtime.load import Crowd

SOCKETS = 20  # a session has no more
CALLS = 50  # a second on each socket


async def main(port: int, auth: dict[str, Any], calls: bytes) -> None:
    """All sockets send their calls of a second at once."""
    crowd = Crowd()
    await crowd.connect([port], [auth] * SOCKETS)
    for socket in crowd.sockets:
        socket.on_frame = None
    print("connected", flush=True)
    while True:
        began = time.perf_counter()
        for socket in crowd.sockets:
            if not socket.is_closing:
                socket.write(calls)
        await asyncio.sleep(max(began + 1 - time.perf_counter(), 0))


if __name__ == "__main__":
    os.nice(19)
    asked = json.loads(sys.stdin.readline())
    uvloop.run(main(int(sys.argv[1]), asked["auth"], frames.call(1, asked["method"], asked["argument"]) * CALLS))
