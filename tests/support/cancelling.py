"""Cancels a job after its first turn, its second, its third and so on, and looks what is left."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from tests.support.children import descriptors
from tests.support.loops import Failures, run_once

Loop = asyncio.AbstractEventLoop
Job = Callable[[], Coroutine[Any, Any, Any]]
Closing = Callable[[Any], Any]

WAYS = ("once", "twice", "in a callback")
PATIENCE = 2000  # turns until what was cancelled has to be gone
ENOUGH = 60  # turns after which a job that is still running waits for something else


def cancel_everywhere(
    loop: Loop,
    job: Job,
    way: str,
    close: Closing | None = None,
    expected: tuple[type[BaseException], ...] = (),
) -> list[str]:
    """How the job ended when it was cancelled after each number of turns.

    `close` is called with the result of a job that came to its end, and awaited. Other exceptions
    than CancelledError have to be `expected`. Fails when a descriptor or a report to the exception
    handler is left behind.
    """
    failures = Failures(loop)
    outcomes: list[str] = []
    before = descriptors()
    for turns in range(ENOUGH):
        outcome, finished = _run(loop, job, turns, way, close)
        if isinstance(outcome, BaseException):
            assert isinstance(outcome, (asyncio.CancelledError, *expected)), repr(outcome)
            outcomes.append(type(outcome).__name__)
        else:
            outcomes.append("done")
        _until(loop, lambda: descriptors() == before, f"descriptors after {turns} turns")
        if finished:
            break
    _settle(loop)
    gc.collect()
    _settle(loop)
    assert not failures.contexts, failures.contexts
    return outcomes


def cancel(loop: Loop, task: asyncio.Task[Any], way: str) -> None:
    """Cancels a task of a loop that does not run, in one of the WAYS."""
    if way == "in a callback":
        loop.call_soon(task.cancel)
    else:
        task.cancel()
    if way == "twice":
        run_once(loop)
        task.cancel()


def _run(loop: Loop, job: Job, turns: int, way: str, close: Closing | None) -> tuple[Any, bool]:
    """The outcome, and whether the job had ended before it was to be cancelled."""
    task = loop.create_task(job())
    for _ in range(turns):
        run_once(loop)
        if task.done():
            break
    finished = task.done()
    cancel(loop, task, way)
    done, _ = loop.run_until_complete(asyncio.wait({task}, timeout=20))
    assert done, f"never ends when it is cancelled after {turns} turns"
    if task.cancelled():
        return asyncio.CancelledError(), finished
    exception = task.exception()
    if exception is not None:
        return exception, finished
    result = task.result()
    if close is not None:
        closing = close(result)
        if isinstance(closing, Awaitable):
            loop.run_until_complete(closing)
    return result, finished


def _settle(loop: Loop) -> None:
    for _ in range(10):
        run_once(loop)


def _until(loop: Loop, condition: Callable[[], bool], what: str) -> None:
    for _ in range(PATIENCE):
        if condition():
            return
        loop.run_until_complete(asyncio.sleep(0.0005))
    raise AssertionError(f"left behind: {what}, {_targets()}, {threading.enumerate()}")


def _targets() -> list[str]:
    return [os.readlink(f"/proc/self/fd/{fd}") for fd in descriptors()]
