"""The examples, and any other program, behave the same on cxxloop as on asyncio."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lifecycle.interpreters import usual_environment

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = sorted(path.name for path in EXAMPLES.glob("*.py"))


def start(*arguments: str, cwd: Path) -> subprocess.Popen[str]:
    """A fresh interpreter, whose output is read by finish()."""
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=cwd,
        env=usual_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """(status, stdout, stderr); a program that hangs is killed."""
    try:
        stdout, stderr = process.communicate(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()
    return process.returncode, stdout, stderr


def test_examples_are_found() -> None:
    assert len(PROGRAMS) >= 30


@pytest.mark.parametrize("name", PROGRAMS)
def test_example_prints_the_same_on_both_loops(name: str, tmp_path: Path) -> None:
    program = str(EXAMPLES / name)
    first = start(program, cwd=tmp_path)
    second = start("-m", "cxxloop", program, cwd=tmp_path)
    on_asyncio, on_cxxloop = finish(first), finish(second)
    assert on_cxxloop == on_asyncio
    status, stdout, stderr = on_asyncio
    assert (status, stderr) == (0, "")
    assert stdout.strip()
    assert list(tmp_path.iterdir()) == []


def test_examples_do_not_know_of_cxxloop() -> None:
    knowing = [name for name in PROGRAMS if "cxxloop" in (EXAMPLES / name).read_text().lower()]
    assert knowing == []


MODULE = """
import asyncio
import sys


async def main() -> None:
    print(__name__, sys.argv[1:], type(asyncio.get_running_loop()).__module__.split(".")[0])


if __name__ == "__main__":
    asyncio.run(main())
    sys.exit(3)
"""


def test_module_runs_on_cxxloop_with_its_own_arguments(tmp_path: Path) -> None:
    (tmp_path / "small_program.py").write_text(MODULE)
    plain = start("-m", "small_program", "-m", "--flag", "x", cwd=tmp_path)
    ours = start("-m", "cxxloop", "-m", "small_program", "-m", "--flag", "x", cwd=tmp_path)
    assert finish(plain) == (3, "__main__ ['-m', '--flag', 'x'] asyncio\n", "")
    assert finish(ours) == (3, "__main__ ['-m', '--flag', 'x'] cxxloop\n", "")
