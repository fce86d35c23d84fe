"""Bar charts as SVG, by hand: a group of bars a figure, a bar a contender."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 860
LABELS = 190
BARS = 380
BAR, GAP, GROUP_GAP, HEAD, PADDING = 18, 6, 22, 24, 20
FONT = "system-ui, -apple-system, 'Segoe UI', 'Noto Sans', sans-serif"
INK, FAINT, BACKGROUND = "#1f2933", "#697586", "#ffffff"
COLOURS = {
    "ours": "#0f766e",
    "node": "#6b8e23",
    "bare": "#a3b86c",
    "stock": "#c2703d",
    "deflate": "#dba37f",
    "limit": "#94a3b8",
}


@dataclass(frozen=True)
class Bar:
    """`said` stands at its end."""

    contender: str
    label: str
    value: float
    said: str


@dataclass(frozen=True)
class Group:
    title: str
    bars: Sequence[Bar]


def draw(title: str, note: str, groups: Sequence[Group]) -> str:
    """Each group has a scale of its own: its longest bar is full."""
    parts: list[str] = []
    y = PADDING + 18
    parts.append(_text(PADDING, y, title, size=17, weight=600))
    y += 20
    parts.append(_text(PADDING, y, note, size=12, colour=FAINT))
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
    height = y + PADDING
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
        f'<text x="{x:.1f}" y="{y}" font-size="{size}" font-weight="{weight}" fill="{colour}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
