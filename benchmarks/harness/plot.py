"""A bar chart of ratios as SVG, written without any library."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path

from harness.loops import SUBJECT
from harness.results import Results
from harness.tables import short

COLOURS = {
    "asyncio": "#8c8c8c",
    "uvloop": "#e0a030",
    "zuvloop": "#b05cc0",
    "rsloop": "#c8553d",
    "rloop": "#4c9f70",
    SUBJECT: "#2166ac",
}
OTHER = "#444444"
LABELS, WIDTH, BAR, GAP = 300, 560, 9, 10
LOWEST, HIGHEST = 0.25, 32.0


def place(ratio: float) -> float:
    """Where a ratio lies on the logarithmic axis."""
    bounded = min(max(ratio, LOWEST), HIGHEST)
    share = math.log2(bounded / LOWEST) / math.log2(HIGHEST / LOWEST)
    return LABELS + share * WIDTH


def text(x: float, y: float, content: str, more: str = "") -> str:
    """A piece of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(content)}</text>'


def axis(height: float, base: str) -> list[str]:
    """The lines of the powers of two, and what they mean."""
    parts = []
    power = LOWEST
    while power <= HIGHEST:
        x = place(power)
        colour = "#555" if power == 1 else "#ddd"
        parts.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="42" y2="{height}" stroke="{colour}"/>')
        parts.append(text(x, 36, f"{power:g}x", 'text-anchor="middle" fill="#555"'))
        power *= 2
    parts.append(text(LABELS, 16, f"times better than {base} (right is better, axis in powers)"))
    return parts


def legend(names: list[str]) -> list[str]:
    """Which colour is which loop."""
    parts = []
    for number, name in enumerate(names):
        x = LABELS + WIDTH + 70
        y = 50 + 16 * number
        colour = COLOURS.get(name, OTHER)
        parts.append(f'<rect x="{x}" y="{y}" width="10" height="10" fill="{colour}"/>')
        parts.append(text(x + 15, y + 9, name))
    return parts


def bars(results: Results, names: list[str], base: str) -> tuple[list[str], float]:
    """The groups of bars, one for each row, and where the last one ends."""
    parts = []
    y = 50.0
    origin = place(1)
    for line in results.lines.values():
        middle = y + BAR * len(names) / 2 + 4
        parts.append(text(LABELS - 8, middle, line.title, 'text-anchor="end"'))
        for name in names:
            ratio = line.advantage(name, base)
            cell = line.cells.get(name)
            figure = cell.median() if cell else None
            if ratio is None or figure is None:
                parts.append(text(origin + 4, y + BAR - 1, "fails", 'fill="#b00"'))
            else:
                left, right = sorted((origin, place(ratio)))
                colour = COLOURS.get(name, OTHER)
                parts.append(
                    f'<rect x="{left:.1f}" y="{y:.1f}" width="{max(right - left, 1):.1f}" '
                    f'height="{BAR - 1}" fill="{colour}"/>'
                )
                parts.append(text(right + 3, y + BAR - 1.5, short(figure), 'fill="#777"'))
            y += BAR
        y += GAP
    return parts, y


def draw(results: Results) -> str:
    """The chart: each loop against asyncio, or against the first loop where that is missing."""
    every = results.loops()
    base = "asyncio" if "asyncio" in every else every[0]
    names = [name for name in every if name != base] or [base]
    groups, height = bars(results, names, base)
    width = LABELS + WIDTH + 180
    size = f'width="{width}" height="{height + 10:.0f}" font-family="sans-serif" font-size="9"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size}>',
        '<rect width="100%" height="100%" fill="white"/>',
        *axis(height, base),
        *legend(names),
        *groups,
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def save(results: Results, path: Path) -> None:
    """Writes the chart."""
    path.write_text(draw(results))
