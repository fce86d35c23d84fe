"""`python -m bench.at_rest`: the CPU that `daira up`, `daira serve` and `daira work` take while nobody is connected."""

import asyncio
import tempfile
from pathlib import Path

import uvloop
from rich.console import Console
from rich.table import Table

from bench.realtime.processes import Process, python
from bench.realtime.world import LOAD_CORE, free_port
from gateway.embedded import EmbeddedServers

COMMANDS = ("up", "serve", "work")
NO_SIDECARS = {"DAIRA_SIDECAR_PORT": "0", "DAIRA_WORKER_SIDECAR_PORT": "0"}
SETTLE_S = 20.0  # what starting leaves behind
MEASURE_S = 30.0


async def measure(folder: Path) -> dict[str, float]:
    """Return the share of a core by command, in per cent. `serve` and `work` use the servers that `up` runs."""
    running: dict[str, Process] = {}
    try:
        for command in COMMANDS:
            port = free_port()
            settings = {"DAIRA_DATA_DIR": str(folder), "DAIRA_PORT": str(port), **NO_SIDECARS}
            log = folder / f"{command}.log"
            running[command] = Process((*python("gateway.cli"), command), settings, LOAD_CORE, log)
            if command == "up":
                await running[command].listens(port)
        await asyncio.sleep(SETTLE_S)
        before = {command: process.cpu for command, process in running.items()}
        await asyncio.sleep(MEASURE_S)
        return {command: (process.cpu - before[command]) / MEASURE_S * 100 for command, process in running.items()}
    finally:
        for process in reversed(running.values()):
            await process.stop()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="daira-rest-") as folder:
        shares = uvloop.run(measure(Path(folder)))
        EmbeddedServers(Path(folder)).erase()
    table = Table("command", "at rest, % of a core")
    for command, share in shares.items():
        table.add_row(f"daira {command}", f"{share:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
