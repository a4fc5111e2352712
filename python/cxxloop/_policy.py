"""EventLoopPolicy and install(), where Python still has policies."""

from __future__ import annotations

import asyncio
import sys
import warnings
from typing import Any

from cxxloop._running import is_disabled, new_event_loop

with warnings.catch_warnings():
    # From 3.14 on the mere look at the default policy's name warns.
    warnings.simplefilter("ignore", DeprecationWarning)
    _DefaultPolicy: Any = asyncio.DefaultEventLoopPolicy


class EventLoopPolicy(_DefaultPolicy):  # type: ignore[misc]
    """The running version's default policy, with cxxloop's loops.

    asyncio.get_event_loop() and the rest behave exactly as with the default policy.
    """

    def _loop_factory(self) -> asyncio.AbstractEventLoop:
        return new_event_loop()


def install() -> None:
    """Make cxxloop's the loops that asyncio creates from now on.

    Does nothing with CXXLOOP_DISABLE=1 in the environment. From Python 3.14 on policies are
    deprecated; asyncio.run(main(), loop_factory=cxxloop.new_event_loop) needs none.
    """
    if is_disabled():
        return
    with warnings.catch_warnings():
        if sys.version_info >= (3, 14):
            warnings.simplefilter("ignore", DeprecationWarning)
        asyncio.set_event_loop_policy(EventLoopPolicy())
