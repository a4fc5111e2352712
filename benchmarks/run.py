"""Compares event loops row by row; each figure comes from a fresh process."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from harness import loops, plot, tables
from harness.load import LoadGenerator
from harness.results import Cell, Results, describe
from harness.rows import InProcess, Row, load_workloads, select
from harness.runner import Processors, RowFailedError, Runner


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loops", default=",".join(loops.KNOWN), help="names with commas between")
    parser.add_argument("--rows", default="*", help="globs with commas between")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of measuring in each round")
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--json", type=Path, help="write every sample to this file")
    parser.add_argument("--plot", type=Path, help="write a chart to this file (SVG)")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="in-process rows as operations per second of CPU time, for a machine that is shared",
    )
    parser.add_argument("--no-pin", action="store_true", help="let the kernel place processes")
    parser.add_argument("--list", action="store_true", help="only list rows and loops")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.seconds = 1, 0.2
    return options


def measure(runner: Runner, row: Row, loop: str, cell: Cell, cpu_time: bool) -> None:
    """One round of one cell; a loop that fails once is not asked again."""
    if cell.failure:
        return
    try:
        sample = runner.measure(row, loop)
        if cpu_time and isinstance(row, InProcess):
            sample["figure"] = 1e6 / sample["cpu_us"]
        cell.samples.append(sample)
    except RowFailedError as error:
        cell.failure = str(error)
        cell.samples.clear()


def interleave(
    runner: Runner,
    rows: Sequence[Row],
    names: Sequence[str],
    options: argparse.Namespace,
    results: Results,
) -> None:
    """Round after round through all rows, the loops in turn, each round beginning elsewhere."""
    begun = time.monotonic()
    total = options.rounds * len(rows)
    for number in range(options.rounds):
        shift = number % len(names)
        for place, row in enumerate(rows):
            line = results.line(row)
            for name in names:
                line.cells.setdefault(name, Cell())
            for name in [*names[shift:], *names[:shift]]:
                measure(runner, row, name, line.cells[name], options.cpu_time)
            done = number * len(rows) + place + 1
            if sys.stderr.isatty():
                spent = time.monotonic() - begun
                left = spent / done * (total - done)
                note = f"{done}/{total}, {left:.0f} s left: {row.title}"
                print(f"\r\033[K{note}", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)


def main() -> int:
    """Measures, prints the tables, and writes the files that were asked for."""
    options = parse()
    load_workloads()
    rows = select(options.rows.split(","))
    names = loops.available(options.loops.split(","))
    if options.list:
        print("loops:", *names)
        print(*(f"{row.name:30}{row.title}" for row in rows), sep="\n")
        return 0
    if not rows or not names:
        print("no such row" if names else "no such loop", file=sys.stderr)
        return 2
    results = Results(describe(names, options.rounds, options.seconds))
    results.about["in-process rates"] = "of CPU time" if options.cpu_time else "of real time"
    with LoadGenerator() as generator:
        processors = Processors() if options.no_pin else Processors.apart()
        runner = Runner(generator, options.seconds, processors)
        interrupted = False
        try:
            interleave(runner, rows, names, options, results)
        except KeyboardInterrupt:
            interrupted = True
    if options.json:
        results.save(options.json)
    if options.plot:
        plot.save(results, options.plot)
    print(tables.report(results))
    return 130 if interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
