"""The table of operations whose leaks are looked for: each is one cycle of something that a
program may do, with everything given back at its end."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.certificates import Certificates


class Setting(NamedTuple):
    """What an operation works with."""

    loop: asyncio.AbstractEventLoop
    reported: list[str]
    """The messages that the exception handler got."""
    certificates: Certificates
    directory: Path


def make_setting(
    loop: asyncio.AbstractEventLoop, certificates: Certificates, directory: Path
) -> Setting:
    """Of what a loop reports only the messages are kept, which refer to nothing."""
    reported: list[str] = []
    loop.set_debug(False)  # It keeps and reports more, wherever PYTHONDEVMODE is set.
    loop.set_exception_handler(lambda _, context: reported.append(context["message"]))
    return Setting(loop, reported, certificates, directory)


class Operation(NamedTuple):
    """One cycle, and what is known about it."""

    name: str
    run: Callable[[Setting], Coroutine[Any, Any, None] | None]
    cycles: int
    """In a round, where nothing else is asked for: fewer of what takes long."""
    reports: bool
    """Whether the exception handler is told of something."""
    needs_collector: str
    """Why what it leaves is in cycles, with asyncio too; empty: it is freed at once."""


OPERATIONS: dict[str, Operation] = {}


def operation(
    cycles: int = 20, reports: bool = False, needs_collector: str = ""
) -> Callable[[Callable[[Setting], Any]], Callable[[Setting], Any]]:
    """Puts a function into the table."""

    def register(function: Callable[[Setting], Any]) -> Callable[[Setting], Any]:
        name = function.__name__
        assert name not in OPERATIONS
        OPERATIONS[name] = Operation(name, function, cycles, reports, needs_collector)
        return function

    return register


@contextlib.contextmanager
def sockets() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected non-blocking sockets, which are closed at the end."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    with ours, theirs:
        yield ours, theirs


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def cancelled_after(steps: int, coroutine: Coroutine[Any, Any, Any]) -> None:
    """Runs a coroutine for some turns, then cancels it; it must not end before."""
    task = asyncio.ensure_future(coroutine)
    await turns(steps)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
        raise AssertionError("ended before it was cancelled")


class ExpectedError(Exception):
    """Raised by the operations themselves."""


def failing(*args: Any) -> Any:
    raise ExpectedError


@functools.cache  # Types have caches of their own, which would grow.
def failing_in(base: type[asyncio.BaseProtocol], method: str, **other: Any) -> Any:
    """A class of protocols that raise in one method."""
    return type("Failing", (base,), {method: failing, **other})
