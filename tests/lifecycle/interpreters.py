"""Fresh interpreters, for what only the start or the end of one shows."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

# Each kind of loop's factory, as an expression for a fresh interpreter's script.
FACTORIES = {"asyncio": "asyncio.SelectorEventLoop", "cxxloop": "cxxloop.Loop"}

_PREAMBLE = """\
import asyncio, atexit, gc, os, signal, socket, sys, threading, time, warnings
import cxxloop
# Ignored where the tests run in the background of a shell.
signal.signal(signal.SIGINT, signal.default_int_handler)
"""


class Ended(NamedTuple):
    """How an interpreter ended."""

    status: int
    out: str
    err: str


def usual_environment() -> dict[str, str]:
    """The environment without what would change how Python, asyncio or cxxloop behaves."""
    modes = ("PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONWARNINGS", "CXXLOOP_DISABLE")
    return {name: value for name, value in os.environ.items() if name not in modes}


def interpret(
    *arguments: str,
    environment: dict[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = 15,
) -> Ended:
    """Runs this Python with the arguments and waits for its end."""
    done = subprocess.run(
        [sys.executable, *arguments],
        env=usual_environment() | (environment or {}),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def interpret_script(
    script: str,
    *options: str,
    environment: dict[str, str] | None = None,
    cwd: Path | None = None,
    seconds: float = 15,
) -> Ended:
    """Runs a script in which asyncio, cxxloop and common modules are imported."""
    code = _PREAMBLE + textwrap.dedent(script)
    return interpret(*options, "-c", code, environment=environment, cwd=cwd, seconds=seconds)
