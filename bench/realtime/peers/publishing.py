"""Shared by the publishers in Python: each line on standard input is an order to publish.

`room NAME…` publishes a tick to each of these rooms, `users ID…` one tick to all of these users. `flood RATE SECONDS
ID…`, for DAIRA only, changes the presence of these users RATE times a second in all, and prints the number of changes.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable

LONGEST_LINE = 1 << 20


async def obey(
    to_room: Callable[[str], Awaitable[None]],
    to_users: Callable[[list[str]], Awaitable[None]],
    flood: Callable[[float, float, list[str]], Awaitable[int]] | None = None,
) -> None:
    """Carry out orders until standard input ends."""
    orders = asyncio.StreamReader(limit=LONGEST_LINE)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    print("ready", flush=True)
    while line := await orders.readline():
        kind, *names = line.decode().split()
        if kind == "users":
            await to_users(names)
        elif kind == "flood" and flood is not None:
            rate, seconds, *people = names
            print(await flood(float(rate), float(seconds), people), flush=True)
        else:
            await asyncio.gather(*map(to_room, names))
