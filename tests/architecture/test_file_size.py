"""A file has one subject, and one subject has room in five hundred lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, cpp_files, python_files

LIMIT = 500


@pytest.mark.parametrize(
    "path", [*cpp_files(), *python_files()], ids=lambda path: str(path.relative_to(ROOT))
)
def test_no_file_outgrows_its_subject(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LIMIT


def test_no_file_is_named_for_nothing() -> None:
    vague = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}
    assert not [path for path in [*cpp_files(), *python_files()] if path.stem in vague]
