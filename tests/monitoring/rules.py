"""The alert rules and dashboards that are deployed, and the programs that check and run them."""

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/alerts.yml"
GRAFANA = ROOT / "deploy/grafana"
PROMETHEUS, PROMTOOL, ALERTMANAGER = (
    shutil.which("prometheus"), shutil.which("promtool"),
    shutil.which("prometheus-alertmanager") or shutil.which("alertmanager"),
)  # fmt: skip
MISSING = "Prometheus is missing: install Debian's packages prometheus and prometheus-alertmanager"

needs_prometheus = pytest.mark.skipif(
    not (PROMETHEUS and PROMTOOL and ALERTMANAGER) and not os.environ.get("CI"), reason=MISSING
)


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def queries() -> dict[tuple[str, str], list[str]]:
    """(dashboard, panel) → the panel's queries."""
    found = {}
    for path in sorted(GRAFANA.glob("dashboards/*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            found[path.stem, panel["title"]] = [target["expr"] for target in panel["targets"]]
    return found


def metrics_in(text: str) -> set[str]:
    """Names of families: without what histograms append."""
    return {re.sub("_(bucket|sum|count)$", "", name) for name in re.findall(r"\bdaira_[a-z_0-9]+", text)}
