"""Counts the instructions of one operation: a figure that other programs do not disturb.

Two runs of different length are counted, and the difference is divided by the difference in
operations, so that start and warm-up drop out. Uses the processor's counter through `perf stat`,
user space only; where there is none, valgrind's callgrind.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from harness.load import Duration, LoadGenerator
from harness.rows import REGISTER, InProcess, Network, Row, load_workloads
from harness.runner import RowFailedError, Runner


def perf_works() -> bool:
    """Whether perf is there and the machine lets it count instructions."""
    if shutil.which("perf") is None:
        return False
    command = ["perf", "stat", "-x,", "-e", "instructions:u", "true"]
    counted = subprocess.run(command, capture_output=True, text=True, check=False)
    return counted.returncode == 0 and re.search(r"^\d+,", counted.stderr, re.M) is not None


class Perf:
    """Counts with the processor's own counter."""

    def __init__(self, directory: Path) -> None:
        self.output = directory / "perf"
        self.prefix = ["perf", "stat", "-x,", "-e", "instructions:u", "-o", str(self.output)]

    def count(self) -> int:
        """The instructions of the run that ended last."""
        found = re.search(r"^(\d+),", self.output.read_text(), re.M)
        if found is None:
            raise RowFailedError("perf counted nothing")
        return int(found[1])


class Callgrind:
    """Counts in valgrind; about fifty times slower."""

    def __init__(self, directory: Path, keep: Path | None = None) -> None:
        self.output = keep or directory / "callgrind"
        self.prefix = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={self.output}"]

    def count(self) -> int:
        """The instructions of the run that ended last."""
        found = re.search(r"^(?:summary|totals): (\d+)", self.output.read_text(), re.M)
        if found is None:
            raise RowFailedError("callgrind counted nothing")
        return int(found[1])


def in_process(runner: Runner, counter: Perf | Callgrind, row: Row, loop: str) -> float:
    """Instructions per operation of an in-process row: one batch more against none."""
    counts = []
    operations = []
    for batches in (1, 3):
        figures = runner.measure_alone(row, loop, "--batches", str(batches))
        operations.append(figures["operations"])
        counts.append(counter.count())
    return (counts[1] - counts[0]) / (operations[1] - operations[0])


def network(
    runner: Runner, counter: Perf | Callgrind, row: Network, loop: str, requests: int
) -> float:
    """Instructions of the server per request; the load generator is not counted."""
    counts = []
    for amount in (requests, 3 * requests):
        runner.measure_network(row, loop, Duration(0, 0, amount))
        counts.append(counter.count())
    return (counts[1] - counts[0]) / (2 * requests)


def main() -> int:
    """Prints one number."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("row", help="a name from run.py --list")
    parser.add_argument("loop")
    parser.add_argument("--requests", type=int, default=2000, help="of the shorter network run")
    parser.add_argument("--callgrind", type=Path, metavar="FILE", help="keep callgrind's profile")
    options = parser.parse_args()
    load_workloads()
    row = REGISTER.get(options.row)
    if not isinstance(row, InProcess | Network):
        print(f"{options.row} is not a row whose operations can be counted", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="bench-") as name, LoadGenerator() as generator:
        directory = Path(name)
        counter: Perf | Callgrind
        if options.callgrind is None and perf_works():
            counter = Perf(directory)
        elif shutil.which("valgrind"):
            counter = Callgrind(directory, options.callgrind)
        else:
            print("neither perf's counters nor valgrind are at hand", file=sys.stderr)
            return 2
        runner = Runner(generator, prefix=counter.prefix)
        try:
            if isinstance(row, InProcess):
                each = in_process(runner, counter, row, options.loop)
            else:
                each = network(runner, counter, row, options.loop, options.requests)
        except RowFailedError as error:
            print(f"{options.row} on {options.loop} fails: {error}", file=sys.stderr)
            return 1
    print(f"{each:.0f} instructions each ({type(counter).__name__.lower()})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
