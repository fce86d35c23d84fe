"""Results as people read them: a table on the screen, and a section with charts in the document."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.realtime.chart import Bar, Group, draw
from bench.realtime.contenders import ALL
from bench.realtime.results import Measured, Results, show, show_lead
from bench.realtime.scenario import Figure, Scenario

BEGIN, END = "<!-- realtime: begin -->", "<!-- realtime: end -->"
SECTION = """{begin}
{where}. Rounds: {rounds}; median (least – most); *n ×* is how many times better DAIRA is, and below 1 worse.

| measured | {labels} |
| --- | {dashes} |
{rows}

{charts}
{end}"""

_LABELS = {contender.name: contender.label for contender in ALL}


def print_table(results: Results, scenarios: Sequence[Scenario]) -> None:
    present = _present(results, scenarios)
    table = Table("measured", *(_LABELS[name] for name in present))
    for what, cells in _rows(results, scenarios, present):
        table.add_row(what, *(cell.replace("<br>", "\n") for cell in cells))
    Console(width=200).print(table)


def write_document(folder: Path, results: Results, scenarios: Sequence[Scenario]) -> None:
    """Between the two marks of benchmarks.md; what stands outside of them stays."""
    present = _present(results, scenarios)
    charts = folder / "benchmarks"
    charts.mkdir(parents=True, exist_ok=True)
    images = []
    for scenario in scenarios:
        groups = list(_groups(results, scenario))
        if groups:
            (charts / f"{scenario.name}.svg").write_text(draw(scenario.title, _chart_note(scenario), groups))
            images.append(f"![{scenario.title}](benchmarks/{scenario.name}.svg)")
    section = SECTION.format(
        begin=BEGIN,
        end=END,
        where=results.where,
        rounds=_rounds(results),
        labels=" | ".join(_LABELS[name] for name in present),
        dashes=" | ".join("---" for _ in present),
        rows="\n".join(f"| {what} | {' | '.join(cells)} |" for what, cells in _rows(results, scenarios, present)),
        charts="\n\n".join(images),
    )
    document = folder / "benchmarks.md"
    text = document.read_text() if document.exists() else f"{BEGIN}\n{END}\n"
    before, _, rest = text.partition(BEGIN)
    document.write_text(before + section + rest.partition(END)[2])


def _present(results: Results, scenarios: Sequence[Scenario]) -> list[str]:
    measured = {name for scenario in scenarios for name in results.values.get(scenario.name, {})}
    return [name for name in _LABELS if name in measured]


def _rounds(results: Results) -> str:
    amounts = {
        len(rounds)
        for contenders in results.values.values()
        for figures in contenders.values()
        for rounds in figures.values()
    }
    return " to ".join(map(str, sorted({min(amounts, default=0), max(amounts, default=0)})))


def _rows(results: Results, scenarios: Sequence[Scenario], present: list[str]) -> Iterator[tuple[str, list[str]]]:
    for scenario in scenarios:
        for figure in scenario.figures:
            cells = [_cell(results, scenario, name, figure) for name in present]
            if any(cells):
                unit = f", {figure.unit}" if figure.unit else ""
                yield figure.what + unit, cells


def _cell(results: Results, scenario: Scenario, name: str, figure: Figure) -> str:
    measured = results.of(scenario, name, figure)
    if measured is None:
        return ""
    lead = results.lead(scenario, name, figure) if name != "ours" else None
    return _say(measured) + (f"<br>{show_lead(lead)}" if lead else "")


def _say(measured: Measured) -> str:
    if measured.least == measured.most:
        return show(measured.middle)
    return f"{show(measured.middle)} ({show(measured.least)} – {show(measured.most)})"


def _chart_note(scenario: Scenario) -> str:
    more = any(figure.more for figure in scenario.figures if figure.ratio)
    return f"{'Longer' if more else 'Shorter'} is better; n × is how many times better DAIRA is."


def _groups(results: Results, scenario: Scenario) -> Iterator[Group]:
    """Figures by which peers are compared."""
    for figure in scenario.figures:
        bars = []
        for name, label in _LABELS.items():
            measured = results.of(scenario, name, figure)
            if measured is not None and figure.ratio:
                lead = results.lead(scenario, name, figure) if name != "ours" else None
                bars.append(Bar(name, label, measured.middle, show(measured.middle) + _aside(lead)))
        if len(bars) > 1:
            yield Group(f"{figure.what[0].upper()}{figure.what[1:]}, {figure.unit}", bars)


def _aside(lead: float | None) -> str:
    return f" · {show_lead(lead)}" if lead else ""
