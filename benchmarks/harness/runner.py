"""Runs one row on one loop in fresh processes and returns its figures."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.load import Duration, LoadFailedError, LoadGenerator
from harness.rows import Network, Row

WORKER = Path(__file__).parent.parent / "worker.py"
PATIENCE = 120.0


class RowFailedError(Exception):
    """The loop cannot run the row; the text says why in one line."""


@dataclass(frozen=True)
class Processors:
    """Where server and client run; -1 lets the kernel choose."""

    server: int = -1
    client: int = -1

    @classmethod
    def apart(cls) -> Processors:
        """Server and client on two different processors, if there are two."""
        usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        return cls(usable[-1], usable[0]) if len(usable) > 1 else cls()


@dataclass(frozen=True)
class Runner:
    """Everything that the processes of one benchmark have in common."""

    generator: LoadGenerator
    seconds: float = 0.5
    processors: Processors = field(default_factory=Processors)
    prefix: Sequence[str] = ()
    python: str = sys.executable

    def command(self, row: Row, loop: str, *more: str) -> list[str]:
        """The command line of a worker, behind the prefix of a profiler if there is one."""
        worker = [self.python, str(WORKER), "--row", row.name, "--loop", loop]
        return [*self.prefix, *worker, "--seconds", str(self.seconds), *more]

    def measure(self, row: Row, loop: str) -> dict[str, float]:
        """One round of one row on one loop."""
        if isinstance(row, Network):
            return self.measure_network(row, loop, Duration(0.15, self.seconds * row.longer))
        return self.measure_alone(row, loop)

    def measure_alone(self, row: Row, loop: str, *more: str) -> dict[str, float]:
        """A row that needs nobody but its own process."""
        try:
            ended = subprocess.run(
                self.command(row, loop, *more),
                capture_output=True,
                text=True,
                timeout=PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise RowFailedError(f"not finished after {PATIENCE:.0f} s") from error
        if ended.returncode:
            raise RowFailedError(_last_line(ended.stderr) or f"exit status {ended.returncode}")
        figures: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
        return figures

    def measure_network(self, row: Network, loop: str, duration: Duration) -> dict[str, float]:
        """A server process, and the load generator against it."""
        processors = self.processors if row.pin_server else Processors()
        with self.server(row, loop, processors.server) as (server, errors):
            try:
                figures = self.generator.run(row.load, server, duration, processors.client)
            except LoadFailedError as error:
                raise RowFailedError(_last_line(errors.read_text()) or str(error)) from error
        figures["figure"] = figures[row.figure]
        return figures

    @contextmanager
    def server(self, row: Network, loop: str, cpu: int) -> Iterator[tuple[dict[str, str], Path]]:
        """Starts a server, and ends it; gives its address and the file with its errors."""
        with tempfile.TemporaryDirectory(prefix="bench-") as directory:
            errors = Path(directory) / "errors"
            more = ["--cpu", str(cpu), "--path", str(Path(directory) / "socket")]
            with errors.open("w") as output:
                process = subprocess.Popen(
                    self.command(row, loop, *more),
                    stdout=subprocess.PIPE,
                    stderr=output,
                    text=True,
                )
            watchdog = threading.Timer(PATIENCE, process.kill)
            watchdog.start()
            try:
                assert process.stdout is not None
                line = process.stdout.readline()
                if not line:
                    process.wait()
                    reason = _last_line(errors.read_text())
                    raise RowFailedError(reason or f"exit status {process.returncode}")
                yield json.loads(line), errors
            finally:
                watchdog.cancel()
                _end(process)


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _last_line(text: str) -> str:
    """The exception that ended a process, or else what it said last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (raised or lines or [""])[-1]
