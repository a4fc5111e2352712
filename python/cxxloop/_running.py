"""run() and new_event_loop(), and the switch that rules cxxloop out."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

from cxxloop._loop import Loop

T = TypeVar("T")


def is_disabled() -> bool:
    """Whether CXXLOOP_DISABLE asks for asyncio's own loop instead of ours."""
    return os.environ.get("CXXLOOP_DISABLE", "") not in {"", "0"}


def new_event_loop() -> asyncio.AbstractEventLoop:
    """Return a new event loop, as asyncio.new_event_loop() does.

    With CXXLOOP_DISABLE=1 in the environment it is asyncio's own. Raises OSError when the
    process is out of descriptors.
    """
    return _new_stock_loop() if is_disabled() else Loop()


def _new_stock_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.ProactorEventLoop()
    return asyncio.SelectorEventLoop()


if sys.version_info >= (3, 12):

    def run(main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
        """Run a coroutine on a new event loop and return its result, as asyncio.run() does.

        `debug` switches debug mode on or off; None leaves it to the interpreter's options.
        Raises RuntimeError where a loop runs already, and what the coroutine raises.
        """
        return asyncio.run(main, debug=debug, loop_factory=new_event_loop)

else:

    def run(main: Coroutine[Any, Any, T], *, debug: bool | None = None) -> T:
        """Run a coroutine on a new event loop and return its result, as asyncio.run() does.

        `debug` switches debug mode on or off; None leaves it to the interpreter's options.
        Raises RuntimeError where a loop runs already, and what the coroutine raises.
        """
        if asyncio._get_running_loop() is not None:
            raise RuntimeError("asyncio.run() cannot be called from a running event loop")
        with asyncio.Runner(debug=debug, loop_factory=new_event_loop) as runner:
            return runner.run(main)
