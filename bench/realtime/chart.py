"""Draw charts as SVG: bars, grouped by figure, one for each contender; or curves over sizes ten times apart."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 860
LABELS = 190
BARS = 380
BAR, GAP, GROUP_GAP, HEAD, PADDING = 18, 6, 22, 24, 20
PLOT, PLOT_LEFT, PLOT_RIGHT = 150, 60, 300
FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', sans-serif"
INK, FAINT, GRID, BACKGROUND = "#1f2933", "#697586", "#e4e7eb", "#ffffff"
COLOURS = {
    "ours": "#0f766e",
    "node": "#6b8e23",
    "bare": "#a3b86c",
    "bun": "#b8a13a",
    "rust": "#8c4a6b",
    "stock": "#c2703d",
    "deflate": "#dba37f",
    "limit": "#94a3b8",
}
CURVES = ("#0f766e", "#c2703d", "#6b8e23", "#94a3b8")


@dataclass(frozen=True)
class Bar:
    """`said` is the text at its end."""

    contender: str
    label: str
    value: float
    said: str


@dataclass(frozen=True)
class Group:
    title: str
    bars: Sequence[Bar]


@dataclass(frozen=True)
class Curve:
    """points: size → value and its text."""

    label: str
    points: Mapping[int, tuple[float, str]]


@dataclass(frozen=True)
class Plot:
    """Curves in one unit."""

    unit: str
    curves: Sequence[Curve]


def draw(title: str, note: str, groups: Sequence[Group]) -> str:
    """Return the SVG. Each group has its own scale: its longest bar has the full width."""
    parts, y = _head(title, note)
    for group in groups:
        y += GROUP_GAP + HEAD - 6
        parts.append(_text(PADDING, y, group.title, size=13, weight=600))
        y += 10
        longest = max(bar.value for bar in group.bars) or 1.0
        for bar in group.bars:
            length = max(bar.value / longest * BARS, 2.0)
            middle = y + BAR - 5
            strong = bar.contender == "ours"
            parts.append(_text(PADDING + LABELS - 8, middle, bar.label, anchor="end", weight=600 if strong else 400))
            parts.append(
                f'<rect x="{PADDING + LABELS}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2" '
                f'fill="{COLOURS[bar.contender]}"/>'
            )
            parts.append(_text(PADDING + LABELS + length + 8, middle, bar.said, colour=INK if strong else FAINT))
            y += BAR + GAP
        y -= GAP
    return _svg(title, parts, y + PADDING)


def draw_curves(title: str, note: str, plots: Sequence[Plot]) -> str:
    """Return the SVG. The x axis is logarithmic; each plot has its own linear y axis from 0."""
    parts, y = _head(title, note)
    sizes = sorted({size for plot in plots for curve in plot.curves for size in curve.points})
    first, last = math.log(sizes[0]), math.log(sizes[-1])
    width = WIDTH - PLOT_LEFT - PLOT_RIGHT

    def x_of(size: int) -> float:
        return PLOT_LEFT + (math.log(size) - first) / (last - first or 1.0) * width

    for plot in plots:
        y += GROUP_GAP + HEAD - 6
        alone = plot.curves[0].label if len(plot.curves) == 1 else ""
        head = f"{alone[0].upper()}{alone[1:]}, {plot.unit}" if alone else plot.unit
        parts.append(_text(PADDING, y, head, size=13, weight=600))
        y += 32
        bottom = y + PLOT
        most = max(value for curve in plot.curves for value, _ in curve.points.values()) or 1.0
        for size in sizes:
            x = x_of(size)
            parts.append(f'<line x1="{x:.1f}" y1="{y}" x2="{x:.1f}" y2="{bottom}" stroke="{GRID}"/>')
            parts.append(_text(x, bottom + 16, f"{size:,}", colour=FAINT, anchor="middle"))
        parts.append(f'<line x1="{PLOT_LEFT}" y1="{bottom}" x2="{PLOT_LEFT + width}" y2="{bottom}" stroke="{FAINT}"/>')
        taken: list[tuple[float, float]] = []  # positions of texts
        for curve, colour in zip(plot.curves, CURVES, strict=False):
            points = [(x_of(size), bottom - value / most * PLOT, said) for size, (value, said) in curve.points.items()]
            path = " ".join(f"{x:.1f},{height:.1f}" for x, height, _ in points)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            for x, height, said in points:
                parts.append(f'<circle cx="{x:.1f}" cy="{height:.1f}" r="3.5" fill="{colour}"/>')
                above = _free(taken, x, height - 9, -3)
                parts.append(_text(x, above, said, size=11, colour=colour, anchor="middle"))
            if not alone:
                x, height, _ = points[-1]
                beside = _free(taken, x + 30, height + 4, 3)
                parts.append(_text(x + 30, beside, curve.label, colour=colour, weight=600))
        y = bottom + 22
    return _svg(title, parts, y + PADDING)


def _free(taken: list[tuple[float, float]], x: float, y: float, step: int) -> float:
    """Return the next y in that column without text near it, and add it to `taken`."""
    while any(x == other and abs(y - there) < 12 for other, there in taken):
        y += step
    taken.append((x, y))
    return y


def _head(title: str, note: str) -> tuple[list[str], int]:
    """Return the title and note, and the y at which they end."""
    y = PADDING + 18
    return [_text(PADDING, y, title, size=17, weight=600), _text(PADDING, y + 20, note, size=12, colour=FAINT)], y + 20


def _svg(title: str, parts: Sequence[str], height: int) -> str:
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}" font-family="{escape(FONT)}">',
            f'<rect width="{WIDTH}" height="{height}" rx="6" fill="{BACKGROUND}"/>',
            *parts,
            "</svg>",
            "",
        )
    )


def _text(
    x: float, y: float, text: str, *, size: int = 12, weight: int = 400, colour: str = INK, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.4g}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
