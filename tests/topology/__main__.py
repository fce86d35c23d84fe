"""`make chaos`: each part of the system fails in turn, in each way, under load; the table goes into the documents."""

import argparse
import asyncio
import os
import sys
from datetime import UTC, datetime

from tests.topology import network, servers, table
from tests.topology.faults import HOWS, PARTS, Fault, Row, cause
from tests.topology.load import USERS, Load
from tests.topology.topology import Running


async def run(faults: list[Fault], duration_s: float) -> list[Row]:
    rows = []
    async with Running() as running:
        load = Load(running.topology)
        await load.start()
        running.push_async_callback(load.stop)
        for fault in faults:
            row = await cause(fault, running.topology, load, duration_s)
            print(table.line(row), *(f"  {each}" for each in row.faults[:5]), sep="\n", flush=True)
            rows.append(row)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="how long each fault lasts")
    parser.add_argument("--part", action="append", choices=[*PARTS], help="this part alone; may be repeated")
    parser.add_argument("--how", action="append", choices=HOWS, help="this way alone; may be repeated")
    options = parser.parse_args()
    if why := network.why_not() or servers.why_not():
        print(f"make chaos: {why}", file=sys.stderr)
        return 2
    faults = [Fault(part, how) for part in options.part or PARTS for how in options.how or HOWS]
    load_before = os.getloadavg()[0]
    print(table.HEAD, flush=True)
    rows = asyncio.run(run(faults, options.seconds))
    if not options.part and not options.how:
        when = f"{datetime.now(UTC):%Y-%m-%d}"
        text = f"{when}, {options.seconds:.0f} s each, {USERS} users, {table.machine(load_before)}."
        table.keep(f"{text}\n\n{table.table(rows)}")
    return 1 if any(row.faults for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
