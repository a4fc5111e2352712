"""Where the sources are, for the tests beside this file."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CPP = ROOT / "cpp"
PYTHON = ROOT / "python" / "cxxloop"


def cpp_files() -> list[Path]:
    return sorted([*CPP.rglob("*.h"), *CPP.rglob("*.cpp")])


def python_files() -> list[Path]:
    return sorted([*PYTHON.rglob("*.py"), *PYTHON.rglob("*.pyi")])
