"""Runs one of CPython's test classes on a loop, in this process, and prints what each test did.

    python one_class.py LOOP MODULE CLASS     one line of JSON: {test: [outcome, last line]}
    python one_class.py LOOP                  {module: [class, …]}

LOOP is cxxloop or asyncio. Outcomes are passed, skipped and failed.
"""

from __future__ import annotations

import json
import os
import sys
import unittest
from types import TracebackType
from typing import Any

from selection import MODULES, case_classes, put_in

ExcInfo = tuple[type[BaseException], BaseException, TracebackType]


class Outcomes(unittest.TestResult):
    """Keeps the worst that each test did; a failing subtest or class fixture fails the test."""

    def __init__(self) -> None:
        super().__init__()
        self.of: dict[str, list[str]] = {}

    @staticmethod
    def name(test: Any) -> str:
        test = getattr(test, "test_case", test)  # of a subtest
        return getattr(test, "_testMethodName", None) or str(test).split(" ")[0]

    def _failed(self, test: Any, err: Any) -> None:
        text = str(err[1]).strip().splitlines()
        self.of[self.name(test)] = ["failed", f"{err[0].__name__}: {text[0] if text else ''}"]

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        self._failed(test, err)

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        self._failed(test, err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        if err is not None:
            self._failed(test, err)

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        self.of.setdefault(self.name(test), ["skipped", reason])

    def addSuccess(self, test: Any) -> None:  # noqa: N802
        self.of.setdefault(self.name(test), ["passed", ""])

    def addExpectedFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        self.of.setdefault(self.name(test), ["passed", ""])

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
        self.of[self.name(test)] = ["failed", "unexpected success"]


def main(loop: str, module_name: str = "", class_name: str = "") -> None:
    report = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # What the tests print is no part of the report.
    if loop == "cxxloop":
        import cxxloop

        put_in(cxxloop.Loop)
    if not module_name:
        classes = {name: [kind.__name__ for kind in case_classes(name)] for name in MODULES}
        print(json.dumps(classes), file=report, flush=True)
        return
    kind = next(kind for kind in case_classes(module_name) if kind.__name__ == class_name)
    outcomes = Outcomes()
    unittest.defaultTestLoader.loadTestsFromTestCase(kind).run(outcomes)
    print(json.dumps(outcomes.of), file=report, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
