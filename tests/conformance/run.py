"""CPython's own asyncio tests on cxxloop: python tests/conformance/run.py [options] [PATTERN…]

Each class runs in a process of its own. A PATTERN (module or module.Class, with *) chooses classes.
Prints a table, one line for each class, and ends with status 1 when a test did not do what
expected.toml says of it, and with 77 when this Python has no test package.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import fnmatch
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import expectations

ONE_CLASS = Path(__file__).with_name("one_class.py")
SECONDS_PER_CLASS = 300
NO_TEST_PACKAGE = 77


@dataclass
class ClassReport:
    """What one class did, and where that was not what was expected."""

    name: str
    counts: collections.Counter[str] = field(default_factory=collections.Counter)
    listed: dict[str, str] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)


def child(python: str, *arguments: str) -> tuple[int, str, str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONASYNCIODEBUG"}
    try:
        done = subprocess.run(
            [python, str(ONE_CLASS), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS_PER_CLASS,
            env=environment,
        )
    except subprocess.TimeoutExpired as expired:
        return -1, "", f"still running after {expired.timeout:.0f} s"
    return done.returncode, done.stdout, done.stderr


def version_of(python: str) -> tuple[int, int]:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    output = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return expectations.version_of(output.stdout)


def has_test_package(python: str) -> bool:
    code = "import test.test_asyncio.utils"
    return subprocess.run([python, "-c", code], capture_output=True).returncode == 0


def list_classes(python: str, loop: str, patterns: list[str]) -> list[tuple[str, str]]:
    status, output, errors = child(python, loop)
    if status != 0:
        raise SystemExit(f"can't list the tests:\n{errors}")
    return [
        (module, name)
        for module, names in json.loads(output).items()
        for name in names
        if not patterns
        or any(
            fnmatch.fnmatchcase(module, p) or fnmatch.fnmatchcase(f"{module}.{name}", p)
            for p in patterns
        )
    ]


def run_class(
    python: str, loop: str, module: str, name: str, expected: list[expectations.Expectation]
) -> ClassReport:
    report = ClassReport(f"{module}.{name}")
    status, output, errors = child(python, loop, module, name)
    if status != 0:
        last = "\n      ".join(errors.strip().splitlines()[-12:])
        report.unexpected.append(
            f"{report.name}: the process ended with status {status}\n      {last}"
        )
        return report
    version = version_of(python)
    for test, (outcome, detail) in json.loads(output).items():
        full_name = f"{report.name}.{test}"
        reason = (
            expectations.reason_for(expected, full_name, version) if loop == "cxxloop" else None
        )
        report.counts[outcome] += 1
        if outcome == "failed" and reason is not None:
            report.listed[full_name] = reason
        elif outcome == "failed":
            report.unexpected.append(f"{full_name}: {detail}")
        elif outcome == "passed" and reason is not None:
            report.unexpected.append(f"{full_name}: passes, but is listed as: {reason}")
    return report


def run(
    python: str = sys.executable,
    loop: str = "cxxloop",
    patterns: list[str] | None = None,
    jobs: int = os.cpu_count() or 1,
) -> list[ClassReport]:
    """Runs the chosen classes, `jobs` at a time."""
    expected = expectations.load()
    classes = list_classes(python, loop, patterns or [])
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(lambda c: run_class(python, loop, *c, expected), classes))


def print_table(reports: list[ClassReport]) -> None:
    width = max((len(report.name) for report in reports), default=10)
    total: collections.Counter[str] = collections.Counter()
    print(f"{'class':{width}}  {'passed':>6} {'skipped':>7} {'listed':>6} {'unexpected':>10}")
    for report in reports:
        row = {
            "passed": report.counts["passed"],
            "skipped": report.counts["skipped"],
            "listed": len(report.listed),
            "unexpected": len(report.unexpected),
        }
        total.update(row)
        print(
            f"{report.name:{width}}  {row['passed']:>6} {row['skipped']:>7} "
            f"{row['listed'] or '':>6} {row['unexpected'] or '':>10}"
        )
    print(
        f"{len(reports)} classes: {total['passed']} passed, {total['skipped']} skipped, "
        f"{total['listed']} listed, {total['unexpected']} unexpected"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("patterns", nargs="*", metavar="PATTERN")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--loop", choices=["cxxloop", "asyncio"], default="cxxloop")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    # Ignored in the background of a shell, which the tests of interrupts would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if not has_test_package(arguments.python):
        print(f"skipped: {arguments.python} has no test package (Debian: libpython3-testsuite)")
        return NO_TEST_PACKAGE
    reports = run(arguments.python, arguments.loop, arguments.patterns, arguments.jobs)
    print_table(reports)
    reasons: dict[str, list[str]] = {}
    for report in reports:
        for test, reason in report.listed.items():
            reasons.setdefault(reason, []).append(test)
    for reason, tests in reasons.items():
        print(f"\nlisted, {reason}:")
        print("".join(f"  {test}\n" for test in tests), end="")
    unexpected = [line for report in reports for line in report.unexpected]
    if unexpected:
        print("\nunexpected:")
        print("\n".join(f"  {line}" for line in unexpected))
    return 1 if unexpected else 0


if __name__ == "__main__":
    raise SystemExit(main())
