"""Writes `dashboards/*.json` from `panels.py`: `python deploy/grafana/dashboards.py`."""

import json
from pathlib import Path
from typing import Any

from panels import DASHBOARDS, Panel

FOLDER = Path(__file__).parent / "dashboards"
CHOSEN = 'job=~"$job",instance=~"$instance"'
DATA = {"type": "prometheus", "uid": "${datasource}"}
PANEL_WIDTH, STAT_WIDTH, WHOLE_WIDTH = 8, 4, 24  # of Grafana's 24 columns
PANEL_HEIGHT, STAT_HEIGHT = 8, 4


def written() -> dict[str, str]:
    """Returns file name → content. Each panel is one line, so that a change shows as one."""
    files = {}
    for title, panels in DASHBOARDS.items():
        found = document(title, panels)
        parts = [f'"{key}": {_json(value)}' for key, value in found.items() if key != "panels"]
        lines = ",\n    ".join(_json(panel) for panel in found["panels"])
        parts.append(f'"panels": [\n    {lines}\n  ]')
        files[f"{found['uid'].removeprefix('daira-')}.json"] = "{\n  " + ",\n  ".join(parts) + "\n}\n"
    return files


def document(title: str, panels: list[Panel]) -> dict[str, Any]:
    return {
        "uid": f"daira-{title.lower().replace(' ', '-')}",
        "title": f"DAIRA: {title}",
        "tags": ["daira"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "links": [{"type": "dashboards", "tags": ["daira"], "title": "DAIRA", "asDropdown": True, "keepTime": True}],
        "templating": {"list": [_datasource(), _choice("job"), _choice("instance", 'job=~"$job"')]},
        "panels": _placed(panels),
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "data source", "type": "datasource", "query": "prometheus"}


def _choice(label: str, among: str = "") -> dict[str, Any]:
    return {
        "name": label,
        "type": "query",
        "datasource": DATA,
        "query": f"label_values(daira_dependency_up{{{among}}}, {label})",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": "All", "value": "$__all"},
    }


def _placed(panels: list[Panel]) -> list[dict[str, Any]]:
    """The panels as Grafana wants them, in rows from the left. Stats come first."""
    placed, x, y, height = [], 0, 0, 0
    for number, panel in enumerate(panels, 1):
        width = STAT_WIDTH if panel.is_stat else PANEL_WIDTH
        if x + width > WHOLE_WIDTH or (height and height != _height(panel)):
            x, y = 0, y + height
        height = _height(panel)
        placed.append({"id": number, "gridPos": {"x": x, "y": y, "w": width, "h": height}, **_panel(panel)})
        x += width
    return placed


def _height(panel: Panel) -> int:
    return STAT_HEIGHT if panel.is_stat else PANEL_HEIGHT


def _panel(panel: Panel) -> dict[str, Any]:
    steps: list[dict[str, Any]] = [{"color": "green", "value": None}]
    if panel.limits is not None:
        steps += [{"color": color, "value": at} for color, at in zip(("yellow", "red"), panel.limits, strict=True)]
    shown: dict[str, Any] = {"unit": panel.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.limits is not None and not panel.is_stat:
        shown["custom"] = {"thresholdsStyle": {"mode": "line"}}
    return {
        "type": "stat" if panel.is_stat else "timeseries",
        "title": panel.title,
        "description": panel.description,
        "datasource": DATA,
        "fieldConfig": {"defaults": shown, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + number), "expr": _expanded(query), "legendFormat": legend or panel.title}
            for number, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _expanded(query: str) -> str:
    return query.replace("{$", "{" + CHOSEN).replace("[$]", "[$__rate_interval]")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


if __name__ == "__main__":
    for name, content in written().items():
        (FOLDER / name).write_text(content)
