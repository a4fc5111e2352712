"""Loops of both kinds, and ways to run something on them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import cxxloop

T = TypeVar("T")

LOOP_FACTORIES: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.SelectorEventLoop,
    "cxxloop": cxxloop.Loop,
}


def _futures_refuse_stop_iteration() -> bool:
    loop = asyncio.SelectorEventLoop()
    future = loop.create_future()
    loop.close()
    try:
        future.set_exception(StopIteration())
    except TypeError:
        return True
    return future.exception() is None


FUTURES_REFUSE_STOP_ITERATION = _futures_refuse_stop_iteration()
"""Of this version; a future of work that raises it in a thread is then never done."""


def close_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Ends a loop as asyncio.run() does: tasks, generators, executors, then the loop."""
    if loop.is_closed():
        return
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    loop.run_until_complete(loop.shutdown_asyncgens())
    with contextlib.suppress(NotImplementedError):
        loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


def run(loop: asyncio.AbstractEventLoop, main: Coroutine[Any, Any, T], seconds: float = 20) -> T:
    """Runs a coroutine, which must end within `seconds`."""

    async def bounded() -> T:
        async with asyncio.timeout(seconds):
            return await main

    return loop.run_until_complete(bounded())


def run_once(loop: asyncio.AbstractEventLoop) -> None:
    """Runs exactly one turn."""
    loop.call_soon(loop.stop)
    loop.run_forever()


class Failures:
    """Collects what a loop reports to its exception handler."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.contexts: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: self.contexts.append(context))

    @property
    def messages(self) -> list[str]:
        return [context["message"] for context in self.contexts]
