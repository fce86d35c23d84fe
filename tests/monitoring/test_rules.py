"""Alert rules and dashboards fit the metrics and runbooks that there are. `test_alerts.py` sees them at work."""

import re
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

import tracing.metrics  # noqa: F401  (processes import it once they export traces)
from gateway.app import sidecar
from tests.cluster import Cluster
from tests.monitoring.rules import GRAFANA, PROMTOOL, ROOT, RULES, alerts, metrics_in, needs_prometheus, queries

HERE = Path(__file__).parent


@needs_prometheus
@pytest.mark.parametrize(
    "command", [("check", RULES), ("test", HERE / "rules.yml"), ("test", HERE / "rules_unscraped.yml")]
)
def test_prometheus_accepts_the_rules_and_they_fire_when_values_are_bad(command):
    what, file = command
    result = subprocess.run([PROMTOOL, what, "rules", file], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_rules_test_counts_every_alert():
    assert f"value: {len(alerts())} }}" in (HERE / "rules.yml").read_text()


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_to_do_first_and_links_its_runbook(rule):
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["for"]
    assert {"summary", "description"} < set(rule["annotations"])
    path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    titles = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(), re.MULTILINE)
    assert anchor in [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]


def test_the_dashboards_are_what_the_table_of_panels_says(tmp_path):
    for name in ("panels.py", "dashboards.py"):
        (tmp_path / name).write_text((GRAFANA / name).read_text())
    (tmp_path / "dashboards").mkdir()
    subprocess.run([sys.executable, tmp_path / "dashboards.py"], check=True)
    for path in (tmp_path / "dashboards").iterdir():
        assert (GRAFANA / "dashboards" / path.name).read_text() == path.read_text(), "run `make dashboards`"


async def test_every_metric_that_is_named_is_exported(cluster: Cluster):
    named = (metrics_in(RULES.read_text()) | metrics_in(str(queries()))) - {"daira_backup_finished_seconds"}  # a file
    assert len(named) > 40
    assert named <= await _exported(cluster)


async def test_every_metric_is_on_a_dashboard_in_an_alert_or_in_the_operators_document(cluster: Cluster):
    document = (ROOT / "docs" / "operating.md").read_text()
    named = metrics_in(document + RULES.read_text() + str(queries()))
    exported = {name for name in await _exported(cluster) if name.startswith("daira_")}
    assert {name for name in exported if not name.endswith("_created")} <= named


async def _exported(cluster: Cluster) -> set[str]:
    beside = sidecar(cluster.settings(), 0, cluster.stores, cluster.node_a.parts.services.database, cluster.node_a)
    port = await beside.start()
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as response:
        exported = set(re.findall(r"^# TYPE (\w+)", await response.text(), re.MULTILINE))
    await beside.stop()
    return exported
