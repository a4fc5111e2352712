"""create_server() and connect_accepted_socket()."""

from __future__ import annotations

import asyncio
import collections.abc
import errno
import os
import socket
import sys
from asyncio import tasks, trsock
from asyncio.log import logger
from collections.abc import Callable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from cxxloop._addresses import AddressInfo
from cxxloop._arguments import (
    check_ssl_socket,
    check_ssl_timeouts,
    check_stream_socket,
    set_reuse_port,
)
from cxxloop._server import Server
from cxxloop._tls import TlsSettings

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object

_ProtocolFactory = Callable[[], asyncio.BaseProtocol]

_ACCEPT_RETRY_DELAY = 1  # seconds, as asyncio.constants
_SKIPS_UNAVAILABLE_ADDRESSES = sys.version_info >= (3, 13)
_REUSE_PORT_FOR_INET_ONLY = sys.version_info >= (3, 14)


def _hosts(host: Any) -> Iterable[Any]:
    if host == "":
        return [None]
    if isinstance(host, str) or not isinstance(host, collections.abc.Iterable):
        return [host]
    return host


class ServersMixin(LoopBase):
    """Incoming connections."""

    async def _create_server_getaddrinfo(
        self, host: Any, port: Any, family: int, flags: int
    ) -> list[AddressInfo]:
        infos = await self._ensure_resolved(
            (host, port), family=family, type=socket.SOCK_STREAM, flags=flags, loop=self
        )
        if not infos:
            raise OSError(f"getaddrinfo({host!r}) returned empty list")
        return infos

    def _bound_socket(
        self, info: AddressInfo, reuse_address: bool, reuse_port: Any, keep_alive: Any
    ) -> socket.socket | None:
        """A socket bound to `info`, or None where this machine has no such address."""
        family, kind, proto, _, address = info
        try:
            sock = socket.socket(family, kind, proto)
        except OSError:
            if self.get_debug():
                logger.warning(
                    "create_server() failed to create socket.socket(%r, %r, %r)",
                    family,
                    kind,
                    proto,
                    exc_info=True,
                )
            return None
        try:
            if reuse_address:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, True)
            if reuse_port and (
                not _REUSE_PORT_FOR_INET_ONLY or family in (socket.AF_INET, socket.AF_INET6)
            ):
                set_reuse_port(sock)
            if keep_alive:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, True)
            if family == socket.AF_INET6:
                # One socket for each family, not one for both.
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, True)
            return sock if self._bind(sock, address) else None
        except BaseException:
            sock.close()
            raise

    def _bind(self, sock: socket.socket, address: Any) -> bool:
        try:
            sock.bind(address)
        except OSError as exc:
            reason = str(exc) if _SKIPS_UNAVAILABLE_ADDRESSES else exc.strerror or str(exc)
            message = f"error while attempting to bind on address {address!r}: {reason.lower()}"
            if _SKIPS_UNAVAILABLE_ADDRESSES and exc.errno == errno.EADDRNOTAVAIL:
                sock.close()
                if self.get_debug():
                    logger.warning(message)
                return False
            raise OSError(exc.errno, message) from None
        return True

    async def _bound_sockets(
        self,
        host: Any,
        port: Any,
        family: int,
        flags: int,
        reuse_address: bool | None,
        reuse_port: Any,
        keep_alive: Any,
    ) -> list[Any]:
        if reuse_address is None:
            reuse_address = os.name == "posix" and sys.platform != "cygwin"
        lookups = [
            self._create_server_getaddrinfo(one, port, family=family, flags=flags)
            for one in _hosts(host)
        ]
        infos = set(chain.from_iterable(await tasks.gather(*lookups)))
        sockets: list[Any] = []
        try:
            for info in infos:
                sock = self._bound_socket(info, reuse_address, reuse_port, keep_alive)
                if sock is not None:
                    sockets.append(sock)
            if not sockets and _SKIPS_UNAVAILABLE_ADDRESSES:
                addresses = [info[4] for info in infos]
                raise OSError(f"could not bind on any address out of {addresses!r}")
        except BaseException:
            for sock in sockets:
                sock.close()
            raise
        return sockets

    async def _create_server(
        self,
        protocol_factory: _ProtocolFactory,
        host: Any,
        port: Any,
        *,
        family: int,
        flags: int,
        sock: Any,
        backlog: int,
        ssl: Any,
        reuse_address: bool | None,
        reuse_port: Any,
        keep_alive: Any,
        ssl_handshake_timeout: float | None,
        ssl_shutdown_timeout: float | None,
        start_serving: bool,
    ) -> Server:
        if isinstance(ssl, bool):
            raise TypeError("ssl argument must be an SSLContext or None")
        check_ssl_timeouts(ssl_handshake_timeout, ssl_shutdown_timeout, tls=ssl is not None)
        if sock is not None:
            check_ssl_socket(sock)
        if host is not None or port is not None:
            if sock is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            sockets = await self._bound_sockets(
                host, port, family, flags, reuse_address, reuse_port, keep_alive
            )
        else:
            if sock is None:
                raise ValueError("Neither host/port nor sock were specified")
            check_stream_socket(sock)
            sockets = [sock]
        tls = None
        if ssl:
            tls = TlsSettings(ssl, True, None, ssl_handshake_timeout, ssl_shutdown_timeout)
        server = Server(self, sockets, protocol_factory, backlog, tls)
        try:
            for one in sockets:
                one.setblocking(False)
            if start_serving:
                await server.start_serving()
        except BaseException as exc:
            server._abandon(exc, is_given=sock is not None)
            raise
        if self.get_debug():
            logger.info("%r is serving", server)
        return server

    if sys.version_info >= (3, 13):

        async def create_server(  # type: ignore[override]
            self,
            protocol_factory: _ProtocolFactory,
            host: Any = None,
            port: Any = None,
            *,
            family: int = socket.AF_UNSPEC,
            flags: int = socket.AI_PASSIVE,
            sock: Any = None,
            backlog: int = 100,
            ssl: Any = None,
            reuse_address: bool | None = None,
            reuse_port: bool | None = None,
            keep_alive: bool | None = None,
            ssl_handshake_timeout: float | None = None,
            ssl_shutdown_timeout: float | None = None,
            start_serving: bool = True,
        ) -> Server:
            """Create a TCP server on one host, several or all; return its Server.

            Raises OSError that names the address where one can't be bound. Stands in for
            asyncio's loop.create_server().
            """
            return await self._create_server(
                protocol_factory,
                host,
                port,
                family=family,
                flags=flags,
                sock=sock,
                backlog=backlog,
                ssl=ssl,
                reuse_address=reuse_address,
                reuse_port=reuse_port,
                keep_alive=keep_alive,
                ssl_handshake_timeout=ssl_handshake_timeout,
                ssl_shutdown_timeout=ssl_shutdown_timeout,
                start_serving=start_serving,
            )

    else:

        async def create_server(  # type: ignore[override]
            self,
            protocol_factory: _ProtocolFactory,
            host: Any = None,
            port: Any = None,
            *,
            family: int = socket.AF_UNSPEC,
            flags: int = socket.AI_PASSIVE,
            sock: Any = None,
            backlog: int = 100,
            ssl: Any = None,
            reuse_address: bool | None = None,
            reuse_port: bool | None = None,
            ssl_handshake_timeout: float | None = None,
            ssl_shutdown_timeout: float | None = None,
            start_serving: bool = True,
        ) -> Server:
            """Create a TCP server on one host, several or all; return its Server.

            Raises OSError that names the address where one can't be bound. Stands in for
            asyncio's loop.create_server().
            """
            return await self._create_server(
                protocol_factory,
                host,
                port,
                family=family,
                flags=flags,
                sock=sock,
                backlog=backlog,
                ssl=ssl,
                reuse_address=reuse_address,
                reuse_port=reuse_port,
                keep_alive=None,
                ssl_handshake_timeout=ssl_handshake_timeout,
                ssl_shutdown_timeout=ssl_shutdown_timeout,
                start_serving=start_serving,
            )

    def _stop_serving(self, sock: Any) -> None:
        self._unlisten(sock)
        sock.close()

    def _log_accepted(
        self, fd: int, listener: socket.socket, server: Server | None, address: Any
    ) -> None:
        """Called by the native loop in debug mode, before anything is made of a connection."""
        sock = socket.socket(listener.family, listener.type, listener.proto, fileno=fd)
        try:
            logger.debug("%r got a new connection from %r: %r", server, address, sock)
        finally:
            sock.detach()

    def _on_accept_exhausted(
        self,
        protocol_factory: _ProtocolFactory,
        sock: Any,
        server: Server | None,
        backlog: int,
        context: Any,
        tls: TlsSettings | None,
        exc: OSError,
    ) -> None:
        """Called by the native loop, which has stopped to accept: there are no descriptors."""
        self.call_exception_handler(
            {
                "message": "socket.accept() out of system resource",
                "exception": exc,
                "socket": trsock.TransportSocket(sock),
            }
        )
        self.call_later(
            _ACCEPT_RETRY_DELAY,
            self._listen_again,
            protocol_factory,
            sock,
            server,
            backlog,
            context,
            tls,
        )

    def _listen_again(
        self,
        protocol_factory: _ProtocolFactory,
        sock: Any,
        server: Server | None,
        backlog: int,
        context: Any,
        tls: TlsSettings | None,
    ) -> None:
        if sock.fileno() >= 0:  # The server wasn't closed meanwhile.
            self._listen(protocol_factory, sock, server, backlog, context, tls)

    async def connect_accepted_socket(  # type: ignore[override]
        self,
        protocol_factory: _ProtocolFactory,
        sock: Any,
        *,
        ssl: Any = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Serve a connection that was accepted elsewhere; return (transport, protocol).

        Raises ValueError unless `sock` is a stream socket. Stands in for asyncio's
        loop.connect_accepted_socket().
        """
        check_stream_socket(sock)
        check_ssl_timeouts(ssl_handshake_timeout, ssl_shutdown_timeout, tls=bool(ssl))
        check_ssl_socket(sock)
        tls = None
        if ssl:
            tls = TlsSettings(ssl, True, None, ssl_handshake_timeout, ssl_shutdown_timeout)
        transport, protocol = await self._create_connection_transport(
            sock, protocol_factory, tls, is_given=True
        )
        if self.get_debug():
            logger.debug(
                "%r handled: (%r, %r)", transport.get_extra_info("socket"), transport, protocol
            )
        return transport, protocol
