"""The table of faults: printed, and kept in docs/reliability.md between two markers."""

import os
import platform
from pathlib import Path

from tests.topology.faults import Row

DOCUMENT = Path(__file__).parents[2] / "docs" / "reliability.md"
BEGIN, END = "<!-- begin: make chaos -->", "<!-- end: make chaos -->"
HEAD = (
    "| fault | what failed (calls) | failed within: p95, longest | rest: worst p95 ratio | healed after "
    "| writes acknowledged, lost | pushes told twice, repeated, missed | told to reload | ghosts |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def line(row: Row) -> str:
    failures = ", ".join(f"{code} ({count})" for code, count in row.failures.most_common()) or "nothing"
    if row.rest_failures:
        rest = ", ".join(f"{what} ({count})" for what, count in row.rest_failures.most_common(3))
        failures += f"; unexpected: {rest}"
    within = f"{row.failed_p95:.2f} s, {row.failed_longest:.1f} s" if row.failures else "–"
    kind, ratio = max(row.rest_ratio.items(), key=lambda item: item[1], default=("", 0.0))
    cells = (
        f"{row.fault.part} {row.fault.how}",
        failures,
        within,
        f"{ratio:.1f} × ({kind})" if kind else "–",
        "not within 90 s" if row.healed is None else f"{row.healed:.1f} s",
        f"{row.acknowledged}, {len(row.lost)}",
        f"{row.twice}, {row.repeated}, {len(row.missed)}",
        str(row.reloads),
        str(len(row.ghosts)),
    )
    return f"| {' | '.join(cells)} |"


def table(rows: list[Row]) -> str:
    return "\n".join([HEAD, *map(line, rows)])


def machine(load_before: float) -> str:
    """What the numbers were measured on. load_before: the machine's load average before the run."""
    return f"{os.cpu_count()} cores, {platform.machine()}, load average before the run {load_before:.1f}"


def keep(text: str) -> None:
    """Write the text between the markers of the document."""
    document = DOCUMENT.read_text("utf-8")
    head, _, rest = document.partition(BEGIN)
    _, _, tail = rest.partition(END)
    DOCUMENT.write_text(f"{head}{BEGIN}\n\n{text}\n\n{END}{tail}", "utf-8")
