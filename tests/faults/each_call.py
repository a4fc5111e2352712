"""Runs an operation again and again, with another of its system calls failing each time.

A program, to be started with the shim: prints a line of JSON for each call that was hit.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import errno
import faulthandler
import gc
import json
import os
import sys
import threading
import warnings
from asyncio import constants
from collections.abc import Iterator
from typing import Any

import cxxloop
from cxxloop._loop import servers
from tests.faults.operations import OPERATIONS
from tests.faults.shim import ALL, Shim
from tests.support.loops import LOOP_FACTORIES, Failures, close_loop, run_once

SECONDS = 2.0  # An operation that takes longer hangs.


def descriptors() -> dict[str, str]:
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
    return {fd: name for fd, name in found.items() if not name.startswith("/proc/")}


def describe(exc: BaseException) -> str:
    number = getattr(exc, "errno", None)
    code = f"({errno.errorcode.get(number, number)})" if isinstance(number, int) else ""
    return type(exc).__name__ + code


async def still_works(loop: asyncio.AbstractEventLoop) -> None:
    """What every loop can do, also after a failure."""
    called = loop.create_future()
    loop.call_later(0.001, called.set_result, None)
    await called
    async with asyncio.timeout(SECONDS):
        await OPERATIONS["watchers"]()
        await OPERATIONS["tcp"]()


def end_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Ends what a run has left that ended early."""
    while tasks := asyncio.all_tasks(loop):
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait(tasks))
        for task in tasks:
            task.cancelled() or task.exception()


@contextlib.contextmanager
def collected(into: list[str]) -> Iterator[None]:
    """What nobody gets as an exception: unraisable ones, and warnings of lost objects."""
    before = sys.unraisablehook
    sys.unraisablehook = lambda args: into.append(
        f"unraisable {args.exc_type.__name__}: {args.exc_value} in {args.object!r}"
    )
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
            gc.collect()
        into += [f"{warning.category.__name__}: {warning.message}" for warning in caught]
    finally:
        sys.unraisablehook = before


class Trial:
    """One run of the operation, in a loop of its own."""

    def __init__(self, factory: Any, operation: str) -> None:
        self.factory = factory
        self.operation = OPERATIONS[operation]
        self.outcome = ""
        self.reported: list[str] = []
        self.lost: list[str] = []

    async def _bounded(self) -> None:
        async with asyncio.timeout(SECONDS):
            await self.operation()

    def run(self, shim: Shim, calls: tuple[str, ...], error: int, skip: int, count: int) -> None:
        before = descriptors()
        with collected(self.lost):
            loop = self.factory()
            failures = Failures(loop)
            with shim.failing(*calls, error=error, skip=skip, count=count):
                try:
                    loop.run_until_complete(self._bounded())
                    self.outcome = "done"
                except TimeoutError as exc:
                    self.outcome = describe(exc) if exc.errno else "hangs"
                except Exception as exc:
                    self.outcome = describe(exc)
            self.reported = [
                f"{context['message']}: {describe(context['exception'])}"
                if "exception" in context
                else context["message"]
                for context in failures.contexts
            ]
            failures.contexts.clear()
            run_once(loop)  # A run that failed may have left what stops the next one.
            end_tasks(loop)
            loop.run_until_complete(still_works(loop))
            close_loop(loop)
            del loop, failures
            gc.collect()
        after = descriptors()
        self.lost += [f"descriptor of {after[fd]}" for fd in set(after) - set(before)]
        self.lost += [str(t) for t in threading.enumerate() if t is not threading.main_thread()]
        with contextlib.suppress(ChildProcessError):
            self.lost.append(f"child {os.waitpid(-1, os.WNOHANG)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("loop", choices=sorted(LOOP_FACTORIES))
    parser.add_argument("operation", choices=sorted(OPERATIONS))
    parser.add_argument("error", help="as errno names it")
    parser.add_argument("--calls", default=",".join(ALL))
    parser.add_argument("--count", type=int, default=1, help="failures in a row")
    parser.add_argument("--every", type=int, default=1, help="try only each n-th call")
    arguments = parser.parse_args()
    faulthandler.enable()
    for module, name in ((servers, "_ACCEPT_RETRY_DELAY"), (constants, "ACCEPT_RETRY_DELAY")):
        setattr(module, name, 0.01)
    cxxloop.Loop().close()
    shim = Shim()
    factory = LOOP_FACTORIES[arguments.loop]
    Trial(factory, arguments.operation).run(shim, ("dup",), errno.EMFILE, 1 << 30, 1)  # Imports.
    skip = 0
    while True:
        faulthandler.dump_traceback_later(30, exit=True)
        trial = Trial(factory, arguments.operation)
        calls = tuple(arguments.calls.split(","))
        trial.run(shim, calls, getattr(errno, arguments.error), skip, arguments.count)
        faulthandler.cancel_dump_traceback_later()
        if shim.hit is None:
            break
        line = {
            "skip": skip,
            "call": shim.hit,
            "outcome": trial.outcome,
            "reported": trial.reported,
            "lost": trial.lost,
        }
        print(json.dumps(line), flush=True)
        skip += arguments.every


if __name__ == "__main__":
    main()
