"""The figures of a whole run: medians, spreads, ratios, and their file."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harness import loops
from harness.rows import Row

Sample = dict[str, float]


@dataclass
class Cell:
    """What one loop did in one row, round by round, or why it could not."""

    samples: list[Sample] = field(default_factory=list)
    failure: str = ""

    def values(self, key: str = "figure") -> list[float]:
        """A figure of every round."""
        return [sample[key] for sample in self.samples if key in sample]

    def median(self, key: str = "figure") -> float | None:
        """The middle round's figure, if there is one."""
        values = self.values(key)
        return statistics.median(values) if values else None

    def spread(self) -> tuple[float, float] | None:
        """The lowest and the highest round as parts of the median."""
        middle = self.median()
        if not middle:
            return None
        values = self.values()
        return min(values) / middle, max(values) / middle


@dataclass
class Line:
    """One row of the table."""

    title: str
    unit: str
    more_is_better: bool
    cells: dict[str, Cell] = field(default_factory=dict)

    def advantage(self, loop: str, other: str, key: str = "figure") -> float | None:
        """How many times better `loop` is than `other`; above one is better."""
        ours, theirs = self.cells.get(loop), self.cells.get(other)
        mine = ours.median(key) if ours else None
        yours = theirs.median(key) if theirs else None
        if not mine or not yours:
            return None
        return mine / yours if self.more_is_better else yours / mine

    def best_peer(self, loop: str) -> str | None:
        """The best of the other loops."""
        peers = {name: cell.median() for name, cell in self.cells.items() if name != loop}
        known = {name: value for name, value in peers.items() if value}
        if not known:
            return None
        choose = max if self.more_is_better else min
        return choose(known, key=known.__getitem__)


@dataclass
class Results:
    """A run of the benchmark with what must be known to read it."""

    about: dict[str, str] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)

    def line(self, row: Row) -> Line:
        """The row's line, made when it is first asked for."""
        if row.name not in self.lines:
            self.lines[row.name] = Line(row.title, row.unit, row.more_is_better)
        return self.lines[row.name]

    def loops(self) -> list[str]:
        """The loops that occur, in the order of their first row."""
        seen: dict[str, None] = {}
        for line in self.lines.values():
            seen.update(dict.fromkeys(line.cells))
        return list(seen)

    def save(self, path: Path) -> None:
        """Writes everything, each sample included."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Results:
        """Reads what save() wrote."""
        raw = json.loads(path.read_text())
        lines = {}
        for name, line in raw["lines"].items():
            cells = {loop: Cell(**cell) for loop, cell in line.pop("cells").items()}
            lines[name] = Line(**line, cells=cells)
        return cls(raw["about"], lines)


def describe(names: Sequence[str], rounds: int, seconds: float) -> dict[str, str]:
    """The machine and the programs that the figures belong to."""
    about = {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "executable": sys.executable,
        "kernel": platform.release(),
        "processor": _processor(),
        "processors": str(os.cpu_count()),
        "rounds": f"{rounds} x {seconds:g} s",
    }
    if hasattr(os, "getloadavg"):
        about["load before"] = f"{os.getloadavg()[0]:.2f}"
    for name in names:
        about[name] = loops.version(name)
    return about


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
