"""Compares two result files of run.py, row by row and loop by loop."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness.results import Line, Results
from harness.tables import align, short


def change(before: Line, after: Line, loop: str) -> tuple[float, bool] | None:
    """How many times better the second run is, and whether the rounds of both lie apart."""
    old, new = before.cells.get(loop), after.cells.get(loop)
    first = old.median() if old else None
    second = new.median() if new else None
    if old is None or new is None or not first or not second:
        return None
    ratio = second / first if after.more_is_better else first / second
    apart = max(old.values()) < min(new.values()) or max(new.values()) < min(old.values())
    return ratio, apart


def compare(before: Results, after: Results, only: list[str], threshold: float) -> str:
    """A table of what changed; rows within the threshold are left out."""
    names = [name for name in after.loops() if name in before.loops()]
    if only:
        names = [name for name in names if name in only]
    table = [["row", "loop", "unit", "before", "after", "times better", "rounds apart"]]
    for row, line in after.lines.items():
        if row not in before.lines:
            continue
        for loop in names:
            changed = change(before.lines[row], line, loop)
            if changed is None or abs(changed[0] - 1) < threshold:
                continue
            old = before.lines[row].cells[loop].median() or 0.0
            new = line.cells[loop].median() or 0.0
            apart = "yes" if changed[1] else "no"
            figures = [short(old), short(new), f"{changed[0]:.2f}", apart]
            table.append([line.title, loop, line.unit, *figures])
    return align(table) if len(table) > 1 else "nothing changed"


def main() -> int:
    """With --fail-below, the exit status says whether a row got that much worse."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--loops", default="", help="names with commas between; all by default")
    parser.add_argument("--threshold", type=float, default=0.0, help="least change to show")
    parser.add_argument("--fail-below", type=float, default=0.0, metavar="RATIO")
    options = parser.parse_args()
    before, after = Results.load(options.before), Results.load(options.after)
    only = [name for name in options.loops.split(",") if name]
    for key in sorted(before.about.keys() | after.about.keys()):
        old, new = before.about.get(key, "-"), after.about.get(key, "-")
        if old != new:
            print(f"{key}: {old} -> {new}")
    print()
    print(compare(before, after, only, options.threshold))
    worse = False
    for row in before.lines.keys() & after.lines.keys():
        for loop in only or after.loops():
            changed = change(before.lines[row], after.lines[row], loop)
            worse |= changed is not None and changed[1] and changed[0] < options.fail_below
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
