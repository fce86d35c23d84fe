"""`python -m bench.abuser PORT`: one account that keeps 20 sockets busy; part of `bench.fairness`.

It is a separate process with the lowest priority, so that the cost of reading its answers is not measured. It reads one
line of JSON from standard input, {auth, method, argument}, and prints a line once all sockets are connected. Each
further line lets it begin to call, or stop.
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

SOCKETS = 20  # the most that a session may have
CALLS = 50  # a second on each socket


async def main(port: int, auth: dict[str, Any], calls: bytes) -> None:
    """Connect, and let each socket send its calls of a second at once, whenever it is told to."""
    calling = asyncio.Event()

    def told() -> None:
        sys.stdin.readline()
        (calling.clear if calling.is_set() else calling.set)()

    asyncio.get_running_loop().add_reader(sys.stdin, told)
    crowd = Crowd()
    await crowd.connect([port], [auth] * SOCKETS)
    for socket in crowd.sockets:
        socket.on_frame = None
    print("connected", flush=True)
    while True:
        await calling.wait()
        began = time.perf_counter()
        for socket in crowd.sockets:
            if not socket.is_closing:
                socket.write(calls)
        await asyncio.sleep(max(began + 1 - time.perf_counter(), 0))


if __name__ == "__main__":
    os.nice(19)
    asked = json.loads(sys.stdin.readline())
    uvloop.run(main(int(sys.argv[1]), asked["auth"], frames.call(1, asked["method"], asked["argument"]) * CALLS))
