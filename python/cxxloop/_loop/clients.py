"""create_connection() and create_unix_connection()."""

from __future__ import annotations

import asyncio
import contextvars
import os
import socket
import sys
from asyncio import staggered
from asyncio.log import logger
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from cxxloop._addresses import AddressInfo, bind_local, interleave_families
from cxxloop._arguments import (
    check_ssl_socket,
    check_ssl_timeouts,
    check_stream_socket,
    check_unix_stream_socket,
)
from cxxloop._tls import TlsSettings

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object

# Before, the callbacks of a connection run in copies of where they come from.
_ONE_CONTEXT_PER_CONNECTION = sys.version_info >= (3, 15)

# Before, a socket stays its owner's where there was no transport.
_CLOSES_GIVEN_SOCKETS = sys.version_info >= (3, 14)

_ProtocolFactory = Callable[[], asyncio.BaseProtocol]


def _raise_connect_errors(groups: Sequence[list[OSError]], all_errors: bool) -> None:
    """Raise what belongs to a connection that no address gave."""
    errors = [exc for group in groups for exc in group]
    try:
        if all_errors:
            raise ExceptionGroup("create_connection failed", errors)
        if not errors:
            raise TimeoutError("create_connection failed")
        model = str(errors[0])
        if all(str(exc) == model for exc in errors):
            raise errors[0]
        raise OSError("Multiple exceptions: {}".format(", ".join(str(exc) for exc in errors)))
    finally:
        errors.clear()  # Breaks the cycles with the traceback.
        groups = ()


class ClientsMixin(LoopBase):
    """Outgoing connections."""

    async def _connect_sock(
        self,
        errors: list[list[OSError]],
        info: AddressInfo,
        local: Sequence[AddressInfo] | None,
    ) -> socket.socket:
        """A socket that is connected to `info`; its errors go to a new list in `errors`."""
        mine: list[OSError] = []
        errors.append(mine)
        family, kind, proto, _, address = info
        sock = None
        try:
            try:
                sock = socket.socket(family=family, type=kind, proto=proto)
                sock.setblocking(False)
                if local is not None:
                    bind_local(sock, family, local, mine)
                await self.sock_connect(sock, address)
                return sock
            except OSError as exc:
                mine.append(exc)
                raise
        except BaseException:
            if sock is not None:
                sock.close()
            raise
        finally:
            errors = mine = None  # type: ignore[assignment]  # cycles with tracebacks

    async def _connect_any(
        self,
        infos: list[AddressInfo],
        local: Sequence[AddressInfo] | None,
        happy_eyeballs_delay: float | None,
        all_errors: bool,
    ) -> socket.socket:
        errors: list[list[OSError]] = []
        try:
            if happy_eyeballs_delay is None:
                for info in infos:
                    try:
                        return await self._connect_sock(errors, info, local)
                    except OSError:
                        continue
            else:
                winner = await self._race(errors, infos, local, happy_eyeballs_delay)
                if winner is not None:
                    return winner
            _raise_connect_errors(errors, all_errors)
            raise AssertionError  # The line above always raises.
        finally:
            errors = None  # type: ignore[assignment]

    async def _race(
        self,
        errors: list[list[OSError]],
        infos: list[AddressInfo],
        local: Sequence[AddressInfo] | None,
        delay: float,
    ) -> socket.socket | None:
        """The socket that is connected first; all others are closed, also when this is cancelled
        in the turn in which one was connected."""
        connected: list[socket.socket] = []
        winner: socket.socket | None = None

        async def attempt(info: AddressInfo) -> socket.socket:
            sock = await self._connect_sock(errors, info, local)
            connected.append(sock)
            return sock

        try:
            attempts = (lambda info=info: attempt(info) for info in infos)
            # Nothing but the first item is kept: another holds the exceptions.
            winner = (await staggered.staggered_race(attempts, delay, loop=self))[0]
        finally:
            for sock in connected:
                if sock is not winner:
                    sock.close()
            errors = None  # type: ignore[assignment]  # attempt(), in tracebacks, refers to it
        return winner

    async def _resolve_for_connect(
        self, address: Any, family: int, proto: int, flags: int
    ) -> list[AddressInfo]:
        infos: list[AddressInfo] = await self._ensure_resolved(
            address,
            family=family,
            type=socket.SOCK_STREAM,
            proto=proto,
            flags=flags,
            loop=self,
        )
        if not infos:
            raise OSError("getaddrinfo() returned empty list")
        return infos

    async def _create_connection(
        self,
        protocol_factory: _ProtocolFactory,
        host: Any,
        port: Any,
        *,
        ssl: Any,
        family: int,
        proto: int,
        flags: int,
        sock: Any,
        local_addr: Any,
        server_hostname: str | None,
        ssl_handshake_timeout: float | None,
        ssl_shutdown_timeout: float | None,
        happy_eyeballs_delay: float | None,
        interleave: int | None,
        all_errors: bool,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        if server_hostname is not None and not ssl:
            raise ValueError("server_hostname is only meaningful with ssl")
        if server_hostname is None and ssl:
            # An empty one means not to check the peer's certificate against a name.
            if not host:
                raise ValueError("You must set server_hostname when using ssl without a host")
            server_hostname = host
        check_ssl_timeouts(ssl_handshake_timeout, ssl_shutdown_timeout, tls=bool(ssl))
        if sock is not None:
            check_ssl_socket(sock)
        if happy_eyeballs_delay is not None and interleave is None:
            interleave = 1
        if host is not None or port is not None:
            if sock is not None:
                raise ValueError("host/port and sock can not be specified at the same time")
            infos = await self._resolve_for_connect((host, port), family, proto, flags)
            local = None
            if local_addr is not None:
                local = await self._resolve_for_connect(local_addr, family, proto, flags)
            if interleave:
                infos = interleave_families(infos, interleave)
            sock = await self._connect_any(infos, local, happy_eyeballs_delay, all_errors)
        else:
            if sock is None:
                raise ValueError("host and port was not specified and no sock specified")
            check_stream_socket(sock)
        tls = None
        if ssl:
            tls = TlsSettings(
                ssl, False, server_hostname, ssl_handshake_timeout, ssl_shutdown_timeout
            )
        transport, protocol = await self._create_connection_transport(
            sock, protocol_factory, tls, is_given=host is None and port is None
        )
        if self.get_debug():
            logger.debug(
                "%r connected to %s:%r: (%r, %r)",
                transport.get_extra_info("socket"),
                host,
                port,
                transport,
                protocol,
            )
        return transport, protocol

    if sys.version_info >= (3, 12):

        async def create_connection(  # type: ignore[override]
            self,
            protocol_factory: _ProtocolFactory,
            host: Any = None,
            port: Any = None,
            *,
            ssl: Any = None,
            family: int = 0,
            proto: int = 0,
            flags: int = 0,
            sock: Any = None,
            local_addr: Any = None,
            server_hostname: str | None = None,
            ssl_handshake_timeout: float | None = None,
            ssl_shutdown_timeout: float | None = None,
            happy_eyeballs_delay: float | None = None,
            interleave: int | None = None,
            all_errors: bool = False,
        ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
            """Connect to a TCP server; return (transport, protocol).

            Times are in seconds. Raises OSError, or with `all_errors` an ExceptionGroup, when no
            address can be connected to. Stands in for asyncio's loop.create_connection().
            """
            return await self._create_connection(
                protocol_factory,
                host,
                port,
                ssl=ssl,
                family=family,
                proto=proto,
                flags=flags,
                sock=sock,
                local_addr=local_addr,
                server_hostname=server_hostname,
                ssl_handshake_timeout=ssl_handshake_timeout,
                ssl_shutdown_timeout=ssl_shutdown_timeout,
                happy_eyeballs_delay=happy_eyeballs_delay,
                interleave=interleave,
                all_errors=all_errors,
            )

    else:

        async def create_connection(  # type: ignore[override]
            self,
            protocol_factory: _ProtocolFactory,
            host: Any = None,
            port: Any = None,
            *,
            ssl: Any = None,
            family: int = 0,
            proto: int = 0,
            flags: int = 0,
            sock: Any = None,
            local_addr: Any = None,
            server_hostname: str | None = None,
            ssl_handshake_timeout: float | None = None,
            ssl_shutdown_timeout: float | None = None,
            happy_eyeballs_delay: float | None = None,
            interleave: int | None = None,
        ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
            """Connect to a TCP server; return (transport, protocol).

            Times are in seconds. Raises OSError when no address can be connected to. Stands in
            for asyncio's loop.create_connection().
            """
            return await self._create_connection(
                protocol_factory,
                host,
                port,
                ssl=ssl,
                family=family,
                proto=proto,
                flags=flags,
                sock=sock,
                local_addr=local_addr,
                server_hostname=server_hostname,
                ssl_handshake_timeout=ssl_handshake_timeout,
                ssl_shutdown_timeout=ssl_shutdown_timeout,
                happy_eyeballs_delay=happy_eyeballs_delay,
                interleave=interleave,
                all_errors=False,
            )

    async def _create_connection_transport(
        self,
        sock: Any,
        protocol_factory: _ProtocolFactory,
        tls: TlsSettings | None,
        *,
        is_given: bool,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Hand a connected socket over to a new transport, which closes it from then on.

        Without a transport a socket that was given stays its owner's.
        """
        try:
            sock.setblocking(False)
            context = contextvars.copy_context() if _ONE_CONTEXT_PER_CONNECTION else None
            protocol = protocol_factory()
            waiter = self.create_future()
            if tls is None:
                transport = self._make_socket_transport(sock, protocol, waiter, context=context)
            else:
                transport = self._make_tls_transport(sock, protocol, waiter, tls, context=context)
        except BaseException:
            if _CLOSES_GIVEN_SOCKETS or not is_given:
                sock.close()
            raise
        try:
            await waiter
        except BaseException:
            transport.close()
            del waiter  # Its exception refers to us.
            raise
        return transport, protocol

    async def create_unix_connection(  # type: ignore[override]
        self,
        protocol_factory: _ProtocolFactory,
        path: Any = None,
        *,
        ssl: Any = None,
        sock: Any = None,
        server_hostname: str | None = None,
        ssl_handshake_timeout: float | None = None,
        ssl_shutdown_timeout: float | None = None,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect to a Unix stream socket; return (transport, protocol).

        `path` may be text, bytes or path-like, and begin with a NUL for Linux's abstract
        names. Raises OSError. Stands in for asyncio's loop.create_unix_connection().
        """
        assert server_hostname is None or isinstance(server_hostname, str)
        if ssl:
            if server_hostname is None:
                raise ValueError("you have to pass server_hostname when using ssl")
        elif server_hostname is not None:
            raise ValueError("server_hostname is only meaningful with ssl")
        check_ssl_timeouts(ssl_handshake_timeout, ssl_shutdown_timeout, tls=bool(ssl))
        if path is not None:
            if sock is not None:
                raise ValueError("path and sock can not be specified at the same time")
            path = os.fspath(path)
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0)
            try:
                sock.setblocking(False)
                await self.sock_connect(sock, path)
            except BaseException:
                sock.close()
                raise
        else:
            if sock is None:
                raise ValueError("no path and sock were specified")
            check_unix_stream_socket(sock)
        tls = None
        if ssl:
            tls = TlsSettings(
                ssl, False, server_hostname, ssl_handshake_timeout, ssl_shutdown_timeout
            )
        return await self._create_connection_transport(
            sock, protocol_factory, tls, is_given=path is None
        )
