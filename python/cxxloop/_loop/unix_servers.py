"""create_unix_server(), and the socket files that it leaves or removes."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import stat
import sys
from asyncio.log import logger
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cxxloop._arguments import check_ssl_timeouts, check_unix_stream_socket
from cxxloop._server import Server
from cxxloop._tls import TlsSettings

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object

_ProtocolFactory = Callable[[], asyncio.BaseProtocol]

_ABSTRACT = (0, "\x00")


def _remove_stale(path: Any) -> None:
    """Remove the socket file that a server which is gone has left."""
    if path[0] in _ABSTRACT:
        return
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.remove(path)
    except FileNotFoundError:
        pass
    except OSError as exc:
        logger.error("Unable to check or remove stale UNIX socket %r: %r", path, exc)


def _bound_unix_socket(path: Any) -> socket.socket:
    path = os.fspath(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _remove_stale(path)
        sock.bind(path)
    except BaseException as exc:
        sock.close()
        if isinstance(exc, OSError) and exc.errno == errno.EADDRINUSE:
            message = f"Address {path!r} is already in use"
            raise OSError(errno.EADDRINUSE, message) from None
        raise
    return sock


class UnixServersMixin(LoopBase):
    """Servers on Unix stream sockets."""

    _unix_server_sockets: dict[Any, int]  # of those whose file is ours: its inode

    def __init__(self) -> None:
        self._unix_server_sockets = {}
        super().__init__()

    async def _create_unix_server(
        self,
        protocol_factory: _ProtocolFactory,
        path: Any,
        sock: Any,
        backlog: int,
        ssl: Any,
        ssl_handshake_timeout: float | None,
        ssl_shutdown_timeout: float | None,
        start_serving: bool,
        cleanup_socket: bool,
    ) -> Server:
        if isinstance(ssl, bool):
            raise TypeError("ssl argument must be an SSLContext or None")
        check_ssl_timeouts(ssl_handshake_timeout, ssl_shutdown_timeout, tls=bool(ssl))
        if path is not None:
            if sock is not None:
                raise ValueError("path and sock can not be specified at the same time")
            sock = _bound_unix_socket(path)
        else:
            if sock is None:
                raise ValueError("path was not specified, and no sock specified")
            check_unix_stream_socket(sock)
        tls = None
        if ssl:
            tls = TlsSettings(ssl, True, None, ssl_handshake_timeout, ssl_shutdown_timeout)
        server = Server(self, [sock], protocol_factory, backlog, tls)
        try:
            if cleanup_socket:
                self._remember_socket_file(sock)
            sock.setblocking(False)
            if start_serving:
                await server.start_serving()
        except BaseException as exc:
            server._abandon(exc, is_given=path is None)
            raise
        return server

    if sys.version_info >= (3, 13):

        async def create_unix_server(  # type: ignore[override]
            self,
            protocol_factory: _ProtocolFactory,
            path: Any = None,
            *,
            sock: Any = None,
            backlog: int = 100,
            ssl: Any = None,
            ssl_handshake_timeout: float | None = None,
            ssl_shutdown_timeout: float | None = None,
            start_serving: bool = True,
            cleanup_socket: bool = True,
        ) -> Server:
            """Create a server on a Unix stream socket; return its Server.

            A stale socket file at `path` is replaced; with `cleanup_socket` ours is removed when
            the server closes. Raises OSError. Stands in for asyncio's
            loop.create_unix_server().
            """
            return await self._create_unix_server(
                protocol_factory,
                path,
                sock,
                backlog,
                ssl,
                ssl_handshake_timeout,
                ssl_shutdown_timeout,
                start_serving,
                cleanup_socket,
            )

    else:

        async def create_unix_server(  # type: ignore[override]
            self,
            protocol_factory: _ProtocolFactory,
            path: Any = None,
            *,
            sock: Any = None,
            backlog: int = 100,
            ssl: Any = None,
            ssl_handshake_timeout: float | None = None,
            ssl_shutdown_timeout: float | None = None,
            start_serving: bool = True,
        ) -> Server:
            """Create a server on a Unix stream socket; return its Server.

            A stale socket file at `path` is replaced. Raises OSError. Stands in for asyncio's
            loop.create_unix_server().
            """
            return await self._create_unix_server(
                protocol_factory,
                path,
                sock,
                backlog,
                ssl,
                ssl_handshake_timeout,
                ssl_shutdown_timeout,
                start_serving,
                False,
            )

    def _remember_socket_file(self, sock: Any) -> None:
        path = sock.getsockname()
        if not path or path[0] in _ABSTRACT:
            return
        with contextlib.suppress(FileNotFoundError):
            self._unix_server_sockets[sock] = os.stat(path).st_ino

    def _stop_serving(self, sock: Any) -> None:
        inode = self._unix_server_sockets.pop(sock, None)
        path: Any = sock.getsockname() if inode is not None else None
        super()._stop_serving(sock)
        if inode is None:
            return
        try:
            if os.stat(path).st_ino == inode:  # Nobody has replaced it.
                os.unlink(path)
        except FileNotFoundError:
            pass
        except OSError as exc:
            logger.error("Unable to clean up listening UNIX socket %r: %r", path, exc)
