"""What CPython's tests are expected to do on cxxloop: all pass, but for those in expected.toml.

The list is strict in both directions: a listed test that passes is as wrong as another that fails.
"""

from __future__ import annotations

import fnmatch
import tomllib
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Expectation:
    """Tests that can't pass, by patterns of their names: module.Class.test."""

    tests: tuple[str, ...]
    reason: str
    since: tuple[int, int] = (3, 11)
    until: tuple[int, int] = (3, 99)

    def covers(self, test: str, version: tuple[int, int]) -> bool:
        in_range = self.since <= version <= self.until
        return in_range and any(fnmatch.fnmatchcase(test, pattern) for pattern in self.tests)


def version_of(text: str) -> tuple[int, int]:
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


def load() -> list[Expectation]:
    entries = tomllib.loads(Path(__file__).with_name("expected.toml").read_text())["expected"]
    return [
        Expectation(
            tests=tuple(entry["tests"]),
            reason=entry["reason"],
            since=version_of(entry.get("since", "3.11")),
            until=version_of(entry.get("until", "3.99")),
        )
        for entry in entries
    ]


def reason_for(expectations: list[Expectation], test: str, version: tuple[int, int]) -> str | None:
    """Why a test is expected to fail; None when it must pass."""
    for expectation in expectations:
        if expectation.covers(test, version):
            return expectation.reason
    return None
