"""CPython's own asyncio tests on cxxloop, a module of them at a time, as expected.toml has it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.conformance import expectations, run
from tests.conformance.selection import MODULES

pytestmark = pytest.mark.skipif(
    not run.has_test_package(sys.executable), reason="this Python has no test package"
)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("module", MODULES)
def test_module_does_what_is_expected_of_it(module: str) -> None:
    reports = run.run(patterns=[module])
    unexpected = [line for report in reports for line in report.unexpected]
    assert not unexpected, "\n" + "\n".join(unexpected)


def every_listed_test() -> Iterator[str]:
    for expectation in expectations.load():
        yield from expectation.tests


def test_each_test_is_listed_once() -> None:
    listed = list(every_listed_test())
    assert sorted(set(listed)) == sorted(listed)


def test_listed_tests_belong_to_modules_that_run() -> None:
    for test in every_listed_test():
        assert test.split(".")[0] in MODULES
        assert len(test.split(".")) == 3
