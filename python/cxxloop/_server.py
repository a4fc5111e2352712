"""class Server: the sockets that listen, and the connections they gave."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import weakref
from asyncio import events, exceptions, tasks, trsock
from collections.abc import Callable
from typing import Any

from cxxloop._tls import TlsSettings

_HAS_CLIENTS = sys.version_info >= (3, 13)
_WAITS_FOR_CLIENTS = sys.version_info >= (3, 12)
_CANCEL_CLOSES_CLIENTS = sys.version_info >= (3, 14)
_KEEPS_CONTEXT = sys.version_info >= (3, 15)


def _nobody() -> None:
    """Stands for a client that nobody has named."""


class Server(events.AbstractServer):
    """What create_server() and create_unix_server() return, as asyncio.Server.

    Connections are counted, and known by weak references, so that an abandoned transport can
    still be noticed.
    """

    def __init__(
        self,
        loop: Any,
        sockets: list[Any],
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        backlog: int,
        tls: TlsSettings | None = None,
    ) -> None:
        self._loop = loop
        self._sockets: list[Any] | None = sockets
        self._protocol_factory = protocol_factory
        self._backlog = backlog
        self._tls = tls
        self._ssl_context = None if tls is None else tls.context
        self._context = contextvars.copy_context() if _KEEPS_CONTEXT else None
        self._clients: dict[int, Callable[[], Any]] = {}
        self._waiters: list[asyncio.Future[None]] | None = []
        self._serving = False
        self._serving_forever_fut: asyncio.Future[None] | None = None

    def __repr__(self) -> str:
        return f"<{self.__class__.__name__} sockets={self.sockets!r}>"

    # Called by transports

    # Before 3.13 asyncio only counts them, and its callers name no transport.
    def _attach(self, transport: Any = None) -> None:
        assert self._sockets is not None
        self._clients[id(transport)] = _nobody if transport is None else weakref.ref(transport)

    def _detach(self, transport: Any = None) -> None:
        self._clients.pop(id(transport), None)
        if not self._clients and self._sockets is None:
            self._wakeup()

    def _wakeup(self) -> None:
        waiters, self._waiters = self._waiters, None
        for waiter in waiters or ():
            if not waiter.done():
                waiter.set_result(None)

    def _start_serving(self) -> None:
        if self._serving:
            return
        self._serving = True
        # A closed server has none: asyncio's TypeError.
        for sock in self._sockets:  # type: ignore[union-attr]
            sock.listen(self._backlog)
            self._loop._listen(
                self._protocol_factory, sock, self, self._backlog, self._context, self._tls
            )

    def _abandon(self, reason: BaseException, *, is_given: bool) -> None:
        """Close a server that nobody will have, as it could not be begun for this reason.

        A socket that was given stays its owner's as long as it doesn't serve.
        """
        if not is_given or isinstance(reason, exceptions.CancelledError):
            self.close()

    # asyncio.AbstractServer

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop that the server belongs to."""
        loop: asyncio.AbstractEventLoop = self._loop
        return loop

    def is_serving(self) -> bool:
        """Return whether connections are accepted."""
        return self._serving

    @property
    def sockets(self) -> tuple[trsock.TransportSocket, ...]:
        """The sockets that listen; empty once the server is closed."""
        if self._sockets is None:
            return ()
        return tuple(trsock.TransportSocket(sock) for sock in self._sockets)

    def close(self) -> None:
        """Stop listening; connections that exist stay open."""
        sockets = self._sockets
        if sockets is None:
            return
        self._sockets = None
        for sock in sockets:
            self._loop._stop_serving(sock)
        self._serving = False
        waiting = self._serving_forever_fut
        if waiting is not None and not waiting.done():
            waiting.cancel()
            self._serving_forever_fut = None
        if not self._clients:
            self._wakeup()

    def _open_clients(self) -> list[Any]:
        clients = (reference() for reference in list(self._clients.values()))
        return [transport for transport in clients if transport is not None]

    if _HAS_CLIENTS:

        def close_clients(self) -> None:
            """Close all connections once what they have to send is sent."""
            for transport in self._open_clients():
                transport.close()

        def abort_clients(self) -> None:
            """Close all connections at once."""
            for transport in self._open_clients():
                transport.abort()

    async def start_serving(self) -> None:
        """Accept connections; does nothing if the server does so already."""
        self._start_serving()
        # asyncio lets one turn pass here.
        await tasks.sleep(0)

    async def serve_forever(self) -> None:
        """Accept connections until this is cancelled, which closes the server.

        Raises RuntimeError when it is already being awaited or the server is closed.
        """
        if self._serving_forever_fut is not None:
            raise RuntimeError(f"server {self!r} is already being awaited on serve_forever()")
        if self._sockets is None:
            raise RuntimeError(f"server {self!r} is closed")
        self._start_serving()
        self._serving_forever_fut = self._loop.create_future()
        try:
            await self._serving_forever_fut
        except exceptions.CancelledError:
            try:
                self.close()
                if _CANCEL_CLOSES_CLIENTS:
                    self.close_clients()
                await self.wait_closed()
            finally:
                raise
        finally:
            self._serving_forever_fut = None

    async def wait_closed(self) -> None:
        """Wait until the server is closed and, from Python 3.12 on, its connections too."""
        if self._waiters is None or (not _WAITS_FOR_CLIENTS and self._sockets is None):
            return
        waiter = self._loop.create_future()
        self._waiters.append(waiter)
        await waiter
