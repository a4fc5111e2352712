"""Builds the load generator and runs it against a server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.rows import Load

SOURCE = Path(__file__).parent.parent / "load" / "main.cpp"
COMPILERS = ("c++", "g++", "clang++")


class LoadFailedError(Exception):
    """The load generator cannot be built, or the server did not answer as it should."""


@dataclass(frozen=True)
class Duration:
    """How long to measure: for some seconds, or until `count` requests are answered."""

    warmup: float
    seconds: float
    count: int = 0


class LoadGenerator:
    """The compiled client, in a directory of its own that goes when this is left."""

    def __init__(self) -> None:
        self.directory = tempfile.TemporaryDirectory(prefix="bench-load-")
        self.program = Path(self.directory.name) / "load"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.directory.cleanup()

    def build(self) -> None:
        """Compiles the program unless that has been done."""
        if self.program.exists():
            return
        chosen = os.environ.get("CXX") or next(filter(shutil.which, COMPILERS), None)
        if chosen is None:
            raise LoadFailedError("no C++ compiler for the load generator; install g++")
        command = [chosen, "-std=c++17", "-O2", str(SOURCE), "-o", str(self.program)]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode:
            raise LoadFailedError(f"the load generator does not compile: {built.stderr}")

    def run(
        self, load: Load, server: dict[str, str], duration: Duration, cpu: int = -1
    ) -> dict[str, float]:
        """Measures a server; `server` holds what it said about itself."""
        self.build()
        command = [str(self.program), "--mode", load.mode, "--cpu", str(cpu)]
        for name, value in server.items():
            command += [f"--{name}", str(value)]
        for name in ("connections", "response", "messages"):
            command += [f"--{name}", str(getattr(load, name))]
        for name in ("warmup", "seconds", "count"):
            command += [f"--{name}", str(getattr(duration, name))]
        command += ["--echo", str(int(load.echo)), "--tls", str(int(load.tls))]
        if isinstance(load.request, bytes):
            message = Path(self.directory.name) / "request"
            message.write_bytes(load.request)
            command += ["--request-file", str(message)]
        else:
            command += ["--request", str(load.request)]
        limit = None if duration.count else duration.warmup + duration.seconds + 20
        try:
            ended = subprocess.run(
                command, capture_output=True, text=True, timeout=limit, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise LoadFailedError("the load generator did not end in time") from error
        if ended.returncode:
            raise LoadFailedError(ended.stderr.strip() or f"ended with {ended.returncode}")
        report: dict[str, float] = json.loads(ended.stdout)
        if "rate" in report:
            request = len(load.request) if isinstance(load.request, bytes) else load.request
            report["mib"] = report["rate"] * max(request, load.response) / 2**20
        return report
