"""Results as text: the table of figures, and what stands beside them."""

from __future__ import annotations

from collections.abc import Sequence

from harness.loops import SUBJECT
from harness.results import Cell, Line, Results

BESIDE = (
    ("rate", "req/s"),
    ("user_us", "us user CPU"),
    ("cpu_us", "us CPU"),
    ("p99_us", "us p99"),
    ("early_share", "share early"),
)


def short(value: float) -> str:
    """Three digits and a letter for the thousands."""
    for limit, letter in ((1e6, "M"), (1e3, "k")):
        if value >= limit * 0.9995:
            return f"{value / limit:.3g}{letter}" if value < limit * 999.5 else f"{value:.4g}"
    return f"{value:.3g}" if value < 999.5 else f"{value:.0f}"


def cell_text(cell: Cell | None) -> str:
    """The median and how far the rounds lie from it."""
    if cell is None:
        return "-"
    middle = cell.median()
    if middle is None:
        return "fails"
    around = cell.spread()
    if around is None or len(cell.samples) < 2:
        return short(middle)
    return f"{short(middle)} ±{max(1 - around[0], around[1] - 1) * 100:.0f}%"


def ratio_text(line: Line) -> tuple[str, str, str]:
    """The best peer, how cxxloop compares with its median, and over which range of rounds."""
    best = line.best_peer(SUBJECT)
    if best is None:
        return "-", "-", "-"
    ratio = line.advantage(SUBJECT, best)
    around = line.cells[SUBJECT].spread() if ratio is not None else None
    if ratio is None or around is None:
        return best, "-", "-"
    low, high = around if line.more_is_better else (1 / around[1], 1 / around[0])
    return best, f"{ratio:.2f}", f"{ratio * low:.2f}..{ratio * high:.2f}"


def align(rows: Sequence[Sequence[str]]) -> str:
    """Columns; the first to the left, the others to the right, a line below the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        first, *others = [
            text.ljust(width) if place == 0 else text.rjust(width)
            for place, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join([first, *others]).rstrip())
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join(lines)


def figures(results: Results) -> str:
    """The main table."""
    names = results.loops()
    table = [["row", "unit", *names, "best peer", "ratio", "min..max"]]
    for line in results.lines.values():
        cells = [cell_text(line.cells.get(name)) for name in names]
        unit = f"{line.unit} {'+' if line.more_is_better else '-'}"
        table.append([line.title, unit, *cells, *ratio_text(line)])
    return align(table)


def beside(results: Results) -> str:
    """The second table: rates of servers, CPU time of the rest, early sleeps."""
    names = results.loops()
    table = [["row", "beside", *names]]
    for line in results.lines.values():
        for key, unit in BESIDE:
            values = [line.cells[name].median(key) for name in names if name in line.cells]
            if all(value is None for value in values):
                continue
            if key == "rate" and line.unit == "req/s":
                continue
            if key == "cpu_us" and line.unit == "us CPU/req":
                continue
            cells = [
                "-" if (value := cell.median(key) if cell else None) is None else short(value)
                for cell in map(line.cells.get, names)
            ]
            table.append([line.title, unit, *cells])
    return align(table) if len(table) > 1 else ""


def failures(results: Results) -> str:
    """Why cells say `fails`."""
    return "\n".join(
        f"{line.title} on {loop}: {cell.failure}"
        for line in results.lines.values()
        for loop, cell in line.cells.items()
        if cell.failure
    )


def report(results: Results) -> str:
    """Everything, one below the other."""
    about = "\n".join(f"{key}: {value}" for key, value in results.about.items())
    legend = (
        "+ more is better, - less is better; ± the round farthest from the median\n"
        f"ratio: how many times better {SUBJECT} is than the best peer"
    )
    parts = [about, figures(results), legend, beside(results), failures(results)]
    return "\n\n".join(part for part in parts if part)
