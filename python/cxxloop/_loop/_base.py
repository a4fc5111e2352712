"""What a topic may expect of the loop that it is a part of; for type checkers only."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxxloop import _core

    class LoopBase(_core.Loop, asyncio.AbstractEventLoop):  # type: ignore[misc]
        """The native loop, and the names that topics use of one another."""

        _default_executor: Any
        _signal_handlers: dict[int, asyncio.Handle]

        def _check_running(self) -> None: ...
        def _forget_signal_handlers(self) -> None: ...
        def _abandon_executors(self) -> None: ...
        def _check_callback(self, callback: object, method: str) -> None: ...
        def _stop_serving(self, sock: Any) -> None: ...
        async def _ensure_resolved(
            self,
            address: Any,
            *,
            family: int = 0,
            type: int = ...,
            proto: int = 0,
            flags: int = 0,
            loop: Any,
        ) -> list[Any]: ...
        async def _create_connection_transport(
            self, sock: Any, protocol_factory: Any, tls: Any, *, is_given: bool
        ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]: ...
        def _make_tls_transport(
            self,
            sock: Any,
            protocol: Any,
            waiter: Any,
            tls: Any,
            *,
            server: Any = None,
            context: Any = None,
        ) -> asyncio.Transport: ...
