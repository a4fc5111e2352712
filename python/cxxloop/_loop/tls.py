"""start_tls(), and connections that are TLS from the start."""

from __future__ import annotations

import asyncio
import contextvars
import os
import socket
from asyncio import constants, streams
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cxxloop import _core
from cxxloop._tls import TlsSettings

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object

try:
    import ssl
except ImportError:  # Python can be built without it.
    ssl = None  # type: ignore[assignment]

_ProtocolFactory = Callable[[], asyncio.BaseProtocol]


def _move_buffered_data(protocol: asyncio.BaseProtocol, tls_protocol: Any) -> None:
    """What a StreamReader has received behind the last plain line belongs to the handshake."""
    if not isinstance(protocol, streams.StreamReaderProtocol):
        return
    reader = protocol._stream_reader  # type: ignore[attr-defined]
    if reader is not None and reader._buffer:
        tls_protocol._feed(bytes(reader._buffer))
        reader._buffer.clear()
        # The reader has room again, but it is the handshake that has to come now.
        reader._paused = False


def _positive(timeout: float | None, name: str, default: float) -> float:
    if timeout is None:
        return default
    if timeout <= 0:
        raise ValueError(f"{name} should be a positive number, got {timeout}")
    return timeout


def _default_context(tls: TlsSettings) -> Any:
    if tls.server_side:
        raise ValueError("Server side SSL needs a valid SSLContext")
    context = ssl.create_default_context()
    if not tls.server_hostname:
        context.check_hostname = False
    return context


class TlsMixin(LoopBase):
    """Encrypted connections."""

    def _tls_protocol(
        self,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None] | None,
        tls: TlsSettings,
        *,
        call_connection_made: bool = True,
    ) -> _core.SSLProtocol:
        if ssl is None:
            raise RuntimeError("stdlib ssl module not available")
        handshake_timeout = _positive(
            tls.handshake_timeout, "ssl_handshake_timeout", constants.SSL_HANDSHAKE_TIMEOUT
        )
        shutdown_timeout = _positive(
            tls.shutdown_timeout, "ssl_shutdown_timeout", constants.SSL_SHUTDOWN_TIMEOUT
        )
        context = tls.context or _default_context(tls)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        hostname = None if tls.server_side else tls.server_hostname or None
        return self._make_tls_protocol(
            protocol=protocol,
            waiter=waiter,
            context=context,
            ssl_object=context.wrap_bio(
                incoming, outgoing, server_side=tls.server_side, server_hostname=hostname
            ),
            incoming=incoming,
            outgoing=outgoing,
            handshake_timeout=handshake_timeout,
            shutdown_timeout=shutdown_timeout,
            call_connection_made=call_connection_made,
        )

    def _make_tls_transport(
        self,
        sock: Any,
        protocol: asyncio.BaseProtocol,
        waiter: asyncio.Future[None],
        tls: TlsSettings,
        *,
        server: Any = None,
        context: Any = None,
    ) -> asyncio.Transport:
        tls_protocol = self._tls_protocol(protocol, waiter, tls)
        self._make_socket_transport(sock, tls_protocol, server=server, context=context)
        transport = tls_protocol._app_transport
        assert transport is not None
        return transport

    def _accept_tls(
        self,
        protocol_factory: _ProtocolFactory,
        fd: int,
        listener: socket.socket,
        server: Any,
        tls: TlsSettings,
        context: contextvars.Context | None,
    ) -> None:
        """Called by the native loop; takes over `fd`, a connection that it has accepted."""
        try:
            sock = socket.socket(listener.family, listener.type, listener.proto, fileno=fd)
        except BaseException:
            os.close(fd)
            raise
        try:
            sock.setblocking(False)
            if context is None:
                self.create_task(self._shake_hands(protocol_factory, sock, server, tls))
            else:
                self.create_task(
                    self._shake_hands(protocol_factory, sock, server, tls, context),
                    context=context,
                )
        except BaseException:
            sock.close()
            raise

    async def _shake_hands(
        self,
        protocol_factory: _ProtocolFactory,
        sock: socket.socket,
        server: Any,
        tls: TlsSettings,
        context: contextvars.Context | None = None,
    ) -> None:
        protocol: asyncio.BaseProtocol | None = None
        transport: asyncio.Transport | None = None
        try:
            protocol = protocol_factory()
            waiter: asyncio.Future[None] | None = self.create_future()
            assert waiter is not None
            transport = self._make_tls_transport(
                sock, protocol, waiter, tls, server=server, context=context
            )
            try:
                await waiter
            except BaseException:
                transport.close()
                waiter = None  # Its exception refers to us.
                raise
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            if transport is None:
                sock.close()
            if not self.get_debug():
                return
            failure: dict[str, Any] = {
                "message": "Error on transport creation for incoming connection",
                "exception": exc,
            }
            if protocol is not None:
                failure["protocol"] = protocol
            if transport is not None:
                failure["transport"] = transport
            self.call_exception_handler(failure)

    async def start_tls(
        self,
        transport: Any,
        protocol: asyncio.BaseProtocol,
        sslcontext: Any,
        *,
        server_side: bool = False,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> asyncio.Transport:
        """Upgrade a connection to TLS; return the transport that `protocol` has to use.

        Times are in seconds. Raises TypeError for transports that can't be upgraded, ssl.SSLError
        or an OSError when the handshake fails. Stands in for asyncio's loop.start_tls().
        """
        if ssl is None:
            raise RuntimeError("Python ssl module is not available")
        if not isinstance(sslcontext, ssl.SSLContext):
            raise TypeError(
                f"sslcontext is expected to be an instance of ssl.SSLContext, got {sslcontext!r}"
            )
        if not getattr(transport, "_start_tls_compatible", False):
            raise TypeError(f"transport {transport!r} is not supported by start_tls()")
        waiter: asyncio.Future[None] | None = self.create_future()
        assert waiter is not None
        tls = TlsSettings(
            sslcontext, server_side, server_hostname, ssl_handshake_timeout, ssl_shutdown_timeout
        )
        tls_protocol = self._tls_protocol(protocol, waiter, tls, call_connection_made=False)
        upgraded = tls_protocol._app_transport
        assert upgraded is not None
        # Nothing may arrive before connection_made().
        transport.pause_reading()
        if server_side:
            _move_buffered_data(protocol, tls_protocol)
        transport.set_protocol(tls_protocol)
        connection_made = self.call_soon(tls_protocol.connection_made, transport)
        resume = self.call_soon(transport.resume_reading)
        try:
            await waiter
        except BaseException:
            transport.close()
            connection_made.cancel()
            resume.cancel()
            waiter = None  # Its exception refers to us.
            raise
        return upgraded
