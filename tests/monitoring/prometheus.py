"""A real Prometheus with our rules, and a real Alertmanager. Time runs faster for the rules: see SPEED."""

import asyncio
import re
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from gateway.child_process import spawn
from tests.gateway.test_commands import answers
from tests.monitoring.rules import ALERTMANAGER, PROMETHEUS, RULES
from tests.patience import WAIT_S
from tests.ports import free_ports

SPEED = 20  # five minutes of a rule are 15 s here; its thresholds stay
SCRAPE_S = 3  # a node may wait for a silent server for 2 s
NO_GOSSIP = "--cluster.listen-address="


class Prometheus:
    def __init__(self, folder: Path, targets: Mapping[str, list[str]]) -> None:
        """targets: job → addresses of sidecars."""
        folder.mkdir()
        self._folder = folder
        self._targets = targets
        self._port, self._alerts_port = free_ports(2)
        self._processes: list[subprocess.Popen[bytes]] = []

    async def start(self) -> None:
        (self._folder / "alerts.yml").write_text(faster(RULES.read_text()))
        config = {
            "global": {
                "scrape_interval": f"{SCRAPE_S}s",
                "scrape_timeout": f"{SCRAPE_S}s",
                "evaluation_interval": "1s",
            },
            "rule_files": ["alerts.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{self._alerts_port}"]}]}]},
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": targets}]} for job, targets in self._targets.items()
            ],
        }
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        (self._folder / "alertmanager.yml").write_text("{ route: { receiver: nobody }, receivers: [{ name: nobody }] }")
        self._spawn(
            ALERTMANAGER, f"--config.file={self._folder}/alertmanager.yml", f"--storage.path={self._folder}/alerts",
            f"--web.listen-address=127.0.0.1:{self._alerts_port}", NO_GOSSIP,
        )  # fmt: skip
        self._spawn(
            PROMETHEUS, f"--config.file={self._folder}/prometheus.yml", f"--storage.tsdb.path={self._folder}/data",
            f"--web.listen-address=127.0.0.1:{self._port}", "--rules.alert.resend-delay=1s",
        )  # fmt: skip
        await answers(f"http://127.0.0.1:{self._alerts_port}/api/v2/status")
        await answers(f"http://127.0.0.1:{self._port}/api/v1/query?query=1")
        self._http = aiohttp.ClientSession()
        self._began = time.time()
        async with asyncio.timeout(4 * WAIT_S):  # until every process has been scraped
            while sum(float(each["value"][1]) for each in await self._ask("query", query="up")) < self._sidecars:
                await asyncio.sleep(0.5)

    async def stop(self) -> None:
        await self._http.close()
        for process in self._processes:
            process.terminate()
            await asyncio.to_thread(process.wait)

    async def firing(self) -> set[str]:
        """Names of the alerts that Alertmanager has and that are not resolved."""
        url = f"http://127.0.0.1:{self._alerts_port}/api/v2/alerts"
        async with self._http.get(url) as response:
            return {alert["labels"]["alertname"] for alert in await response.json()}

    async def has_data(self, query: str) -> bool:
        """Whether the query of a panel had a value at any time since the start."""
        window = f"{5 * SCRAPE_S}s"
        query = re.sub(r"\$(job|instance)\b", ".+", query.replace("$__rate_interval", window))
        found = await self._ask(
            "query_range", query=query, start=str(self._began), end=str(time.time()), step=f"{SCRAPE_S}s"
        )
        return any(value != "NaN" for series in found for _, value in series["values"])

    @property
    def _sidecars(self) -> int:
        return sum(map(len, self._targets.values()))

    async def _ask(self, what: str, **parameters: str) -> list[Any]:
        try:
            async with self._http.get(f"http://127.0.0.1:{self._port}/api/v1/{what}", params=parameters) as response:
                body = await response.json()
        except aiohttp.ClientConnectionError:  # it is starting
            return []
        assert body["status"] == "success", (body, parameters)
        result: list[Any] = body["data"]["result"]
        return result

    def _spawn(self, *command: Any) -> None:
        log = (self._folder / f"{Path(command[0]).name}.log").open("wb")
        self._processes.append(spawn(list(command), signal.SIGKILL, stdout=log, stderr=log))
        log.close()


def faster(rules: str) -> str:
    """The rules with shorter windows and waits."""

    def shorter(match: re.Match[str]) -> str:
        return f"{int(match[1]) * 60_000 // SPEED}ms"

    return re.sub(r"(?:(?<=\[)|(?<=for: ))(\d+)m\b", shorter, rules)
