"""Show results: as tables on the screen, and as sections with charts in docs/benchmarks.md."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from bench.realtime.chart import Bar, Curve, Group, Plot, draw, draw_curves
from bench.realtime.contenders import ALL
from bench.realtime.results import Measured, Results, show, show_lead
from bench.realtime.scenario import Figure, Scenario

MARKS = {
    "peers": ("<!-- realtime: begin -->", "<!-- realtime: end -->"),
    "rooms": ("<!-- rooms: begin -->", "<!-- rooms: end -->"),
}
OF_PEERS = "*n ×* is how many times better DAIRA is (below 1: worse)"

_LABELS = {contender.name: contender.label for contender in ALL}


class Rows(NamedTuple):
    """A table: its column headings, and rows of as many cells."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def print_tables(results: Results, scenarios: Sequence[Scenario]) -> None:
    for section in MARKS:
        for head, rows in _tables(results, _of(section, scenarios)):
            table = Table(*head)
            for row in rows:
                table.add_row(*(cell.replace("<br>", "\n") for cell in row))
            Console(width=200).print(table)


def write_document(folder: Path, results: Results, scenarios: Sequence[Scenario]) -> None:
    """Replace the text between the marks of benchmarks.md, and write the charts."""
    charts = folder / "benchmarks"
    charts.mkdir(parents=True, exist_ok=True)
    document = folder / "benchmarks.md"
    text = document.read_text() if document.exists() else ""
    for section, (begin, end) in MARKS.items():
        mine = _of(section, scenarios)
        tables = _tables(results, mine)
        if tables:
            text = text if begin in text else f"{text}{begin}\n{end}\n"
            said = f"{results.where}. Rounds: {_rounds(results, mine)}; median (least – most)"
            said += f"; {OF_PEERS}." if section == "peers" else "."
            body = "\n\n".join((said, *map(_markdown, tables), *_charts(charts, results, mine)))
            before, _, rest = text.partition(begin)
            text = f"{before}{begin}\n{body}\n{end}{rest.partition(end)[2]}"
    document.write_text(text)


def _of(section: str, scenarios: Sequence[Scenario]) -> list[Scenario]:
    return [scenario for scenario in scenarios if scenario.section == section]


def _charts(folder: Path, results: Results, scenarios: Sequence[Scenario]) -> Iterator[str]:
    """Draw the charts, and yield the Markdown that shows each."""
    for scenario in scenarios:
        drawn = ""
        if plots := list(_plots(results, scenario)):
            drawn = draw_curves(scenario.title, f"Against {scenario.against}.", plots)
        elif groups := list(_groups(results, scenario)):
            drawn = draw(scenario.title, _chart_note(scenario), groups)
        if drawn:
            (folder / f"{scenario.name}.svg").write_text(drawn)
            yield f"![{scenario.title}](benchmarks/{scenario.name}.svg)"


def _markdown(table: Rows) -> str:
    lines = [table.head, ["---"] * len(table.head), *table.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _tables(results: Results, scenarios: Sequence[Scenario]) -> list[Rows]:
    """Return the tables that are not empty."""
    present = _present(results, scenarios)
    plain = [scenario for scenario in scenarios if not scenario.against]
    asked = any(figure.asked for scenario in plain for figure in scenario.figures)
    labels = [_LABELS[name] for name in present]
    found = [Rows(["measured", *labels, *(["target"] if asked else [])], list(_rows(results, plain, present, asked)))]
    for scenario in scenarios:
        if scenario.against:
            found.insert(0, _growth(results, scenario))
    return [table for table in found if table.rows]


def _growth(results: Results, scenario: Scenario) -> Rows:
    """Return the figures by size, and the ratio of the last to the first."""
    curves = {figure: results.curve(scenario, "ours", figure) for figure in scenario.figures}
    sizes = sorted({size for curve in curves.values() for size in curve})
    rows = []
    for figure, curve in curves.items():
        if curve:
            first, last = curve[min(curve)].middle, curve[max(curve)].middle
            cells = [_say(curve[size]) if size in curve else "" for size in sizes]
            growth = f"{last / first:.1f} ×" if first else ""
            rows.append([f"{figure.what}, {figure.unit}", *cells, growth])
    return Rows([f"{scenario.title}: {scenario.against}", *(f"{size:,}" for size in sizes), "last ÷ first"], rows)


def _plots(results: Results, scenario: Scenario) -> Iterator[Plot]:
    """Yield one plot for all figures of a unit."""
    by_unit: dict[str, list[Curve]] = {}
    for figure in scenario.figures:
        curve = results.curve(scenario, "ours", figure)
        if curve:
            points = {size: (measured.middle, show(measured.middle)) for size, measured in curve.items()}
            by_unit.setdefault(figure.unit, []).append(Curve(figure.what, points))
    for unit, curves in by_unit.items():
        yield Plot(unit, curves)


def _present(results: Results, scenarios: Sequence[Scenario]) -> list[str]:
    measured = {name for scenario in scenarios for name in results.values.get(scenario.name, {})}
    return [name for name in _LABELS if name in measured]


def _rounds(results: Results, scenarios: Sequence[Scenario]) -> str:
    amounts = {
        len(rounds)
        for scenario in scenarios
        for figures in results.values.get(scenario.name, {}).values()
        for rounds in figures.values()
    }
    return " to ".join(map(str, sorted({min(amounts, default=0), max(amounts, default=0)})))


def _rows(results: Results, scenarios: Sequence[Scenario], present: list[str], asked: bool) -> Iterator[Sequence[str]]:
    for scenario in scenarios:
        for figure in scenario.figures:
            cells = [_cell(results, scenario, name, figure) for name in present]
            if any(cells):
                unit = f", {figure.unit}" if figure.unit else ""
                yield [figure.what + unit, *cells, *([figure.asked] if asked else [])]


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
    """Yield a group of bars for each figure that compares peers."""
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
