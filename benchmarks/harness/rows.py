"""What a row of the benchmark is, and the register that the workloads fill."""

from __future__ import annotations

import asyncio
import fnmatch
import importlib
import inspect
import pkgutil
import socket
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Batch = Callable[[], int]
"""Does some operations and returns how many they were."""

Prepare = Callable[[asyncio.AbstractEventLoop], Batch]
Serve = Callable[[socket.socket], Awaitable[object]]
Measure = Callable[[str], dict[str, float]]


@dataclass(frozen=True)
class Load:
    """What the load generator does to a server; one outstanding request per connection.

    A `request` given as bytes is sent as it is, a number stands for that many bytes that end
    in a newline. `response` is the number of bytes that answer one request. A request of
    several `messages` counts as so many: they are pipelined. A response of 0 bytes is as long
    as its HTTP head says. With datagrams `connections` is how many of them one client keeps
    under way.
    """

    connections: int
    request: int | bytes
    response: int
    mode: Literal["steady", "connect", "idle", "datagrams"] = "steady"
    family: Literal["tcp", "unix", "udp"] = "tcp"
    echo: bool = True
    messages: int = 1
    tls: bool = False


@dataclass(frozen=True)
class Row:
    """One line of the table: its figure's unit, and whether more of it is better."""

    name: str
    title: str
    unit: str
    more_is_better: bool


@dataclass(frozen=True)
class InProcess(Row):
    """Operations of the loop alone: batches that one process repeats and times."""

    prepare: Prepare


@dataclass(frozen=True)
class Network(Row):
    """A server in a process of its own, with the load generator in another.

    `figure` names the key of the load generator's report that stands in the table. Rows that
    vary much measure `longer` than the others.
    """

    serve: Serve
    load: Load
    figure: str
    pin_server: bool = True
    longer: float = 1.0


@dataclass(frozen=True)
class Probe(Row):
    """Anything else: `measure` gets the loop's name and reports its own figures."""

    measure: Measure


REGISTER: dict[str, Row] = {}


def register(row: Row) -> None:
    """Adds a row; names are unique."""
    if row.name in REGISTER:
        raise ValueError(f"two rows are called {row.name!r}")
    REGISTER[row.name] = row


def in_process(name: str, title: str, *, unit: str = "op/s") -> Callable[[Prepare], Prepare]:
    """Registers a function that takes a loop and returns the batch to repeat."""

    def decorate(prepare: Prepare) -> Prepare:
        register(InProcess(name, title, unit, True, prepare))
        return prepare

    return decorate


def network(
    name: str,
    title: str,
    load: Load,
    *,
    figure: str = "cpu_us",
    pin_server: bool = True,
    longer: float = 1.0,
) -> Callable[[Serve], Serve]:
    """Registers a coroutine function that starts a server on a listening, or bound, socket."""
    units = {
        "cpu_us": ("us CPU/req", False),
        "rate": ("req/s", True),
        "mib": ("MiB/s", True),
        "bytes_per_connection": ("B/conn", False),
    }
    unit, more_is_better = units[figure]

    def decorate(serve: Serve) -> Serve:
        row = Network(name, title, unit, more_is_better, serve, load, figure, pin_server, longer)
        register(row)
        return serve

    return decorate


def probe(name: str, title: str, unit: str) -> Callable[[Measure], Measure]:
    """Registers a function that measures by itself; less of its figure is better."""

    def decorate(measure: Measure) -> Measure:
        register(Probe(name, title, unit, False, measure))
        return measure

    return decorate


def load_workloads() -> None:
    """Imports every file of workloads/ and puts the rows in the order of the table.

    Files stand in the order of their POSITION, rows in the order in which their file has them.
    """
    package = importlib.import_module("workloads")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"workloads.{module.name}")
    places = {name: (*_place(row), -number) for number, (name, row) in enumerate(REGISTER.items())}
    for name in sorted(REGISTER, key=places.__getitem__):
        REGISTER[name] = REGISTER.pop(name)


def _place(row: Row) -> tuple[int, str, int]:
    if isinstance(row, InProcess):
        code = inspect.unwrap(row.prepare).__code__
        module = row.prepare.__module__
    elif isinstance(row, Network):
        code = inspect.unwrap(row.serve).__code__
        module = row.serve.__module__
    elif isinstance(row, Probe):
        code = inspect.unwrap(row.measure).__code__
        module = row.measure.__module__
    else:
        raise TypeError(f"not a kind of row: {row!r}")
    return getattr(sys.modules[module], "POSITION", 100), module, code.co_firstlineno


def select(patterns: Iterable[str]) -> Sequence[Row]:
    """The rows whose names match one of the globs, in the table's order."""
    wanted = list(patterns)
    return [
        row
        for row in REGISTER.values()
        if any(fnmatch.fnmatchcase(row.name, pattern) for pattern in wanted)
    ]
