"""What a topic may expect of the loop that it is a part of; for type checkers only."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxxloop import _core

    class LoopBase(_core.Loop, asyncio.AbstractEventLoop):
        """The native loop, and the names that topics use of one another."""

        _default_executor: Any
        _signal_handlers: dict[int, asyncio.Handle]

        def _check_running(self) -> None: ...
        def _forget_signal_handlers(self) -> None: ...
        def _abandon_executors(self) -> None: ...
        def _check_callback(self, callback: object, method: str) -> None: ...
        def _stop_serving(self, sock: Any) -> None: ...
