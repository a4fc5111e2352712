"""sock_*: raw socket operations that wait through the loop.

Natively the loop serves sock_recv(), sock_recv_into() and sock_sendall() of plain sockets;
what begins with an underscore here is for everything else, and for debug mode.
"""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

from cxxloop._arguments import check_ssl_socket

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object

_WOULD_BLOCK = (BlockingIOError, InterruptedError)


def _attempt(future: asyncio.Future[Any], sock: Any, method: str, args: tuple[Any, ...]) -> None:
    """Try again, now that the descriptor is ready."""
    if future.done():
        return  # Cancelled: what has arrived stays for somebody else.
    try:
        result = getattr(sock, method)(*args)
    except _WOULD_BLOCK:
        return
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:
        future.set_exception(exc)
    else:
        future.set_result(result)
    finally:
        del future  # The exception's traceback holds this frame.


def _finish_connect(future: asyncio.Future[None], sock: Any, address: Any) -> None:
    if future.done():
        return
    try:
        error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error != 0:
            raise OSError(error, f"Connect call failed {address}")
    except _WOULD_BLOCK:
        return
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:
        future.set_exception(exc)
    else:
        future.set_result(None)
    finally:
        del future


class SocketsMixin(LoopBase):
    """Each tries at once, and waits for the descriptor only if that would block."""

    def _check_sock(self, sock: Any) -> None:
        check_ssl_socket(sock)
        if self.get_debug() and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")

    async def _when_readable(self, sock: Any, method: str, *args: Any) -> Any:
        """The result of sock.method(*args) once it doesn't block."""
        future = self.create_future()
        fd = sock.fileno()
        self._ensure_fd_no_transport(fd)
        handle = self._add_reader(fd, _attempt, future, sock, method, args)
        try:
            return await future
        finally:
            if not handle.cancelled():  # Nobody else has taken its place.
                self._remove_reader(fd)
            future = None  # type: ignore[assignment]  # It holds the exception: a cycle.

    async def _when_writable(self, sock: Any, callback: Any, *args: Any) -> Any:
        """The result of the future that callback(future, sock, *args) settles."""
        future = self.create_future()
        fd = sock.fileno()
        self._ensure_fd_no_transport(fd)
        handle = self._add_writer(fd, callback, future, sock, *args)
        try:
            return await future
        finally:
            if not handle.cancelled():
                self._remove_writer(fd)
            future = None  # type: ignore[assignment]  # It holds the exception: a cycle.

    async def _sock_recv(self, sock: Any, n: int) -> Any:
        self._check_sock(sock)
        try:
            return sock.recv(n)
        except _WOULD_BLOCK:
            return await self._when_readable(sock, "recv", n)

    async def _sock_recv_into(self, sock: Any, buf: Any) -> Any:
        self._check_sock(sock)
        try:
            return sock.recv_into(buf)
        except _WOULD_BLOCK:
            return await self._when_readable(sock, "recv_into", buf)

    async def _sock_sendall(self, sock: Any, data: Any) -> None:
        self._check_sock(sock)
        try:
            sent = sock.send(data)
        except _WOULD_BLOCK:
            sent = 0
        if sent == len(data):
            return
        rest = memoryview(data)[sent:]
        while rest:
            sent = await self._when_writable(sock, _attempt, "send", (rest,))
            rest = rest[sent:]

    async def sock_recvfrom(self, sock: Any, bufsize: int) -> Any:
        """Return a datagram of at most `bufsize` bytes and its sender, (data, address).

        Stands in for asyncio's loop.sock_recvfrom().
        """
        self._check_sock(sock)
        try:
            return sock.recvfrom(bufsize)
        except _WOULD_BLOCK:
            return await self._when_readable(sock, "recvfrom", bufsize)

    async def sock_recvfrom_into(self, sock: Any, buf: Any, nbytes: int = 0) -> Any:
        """Receive a datagram into `buf`, at most `nbytes`; return (number of bytes, address).

        Stands in for asyncio's loop.sock_recvfrom_into().
        """
        self._check_sock(sock)
        if not nbytes:
            nbytes = len(buf)
        try:
            return sock.recvfrom_into(buf, nbytes)
        except _WOULD_BLOCK:
            return await self._when_readable(sock, "recvfrom_into", buf, nbytes)

    async def sock_sendto(self, sock: Any, data: Any, address: Any) -> int:
        """Send a datagram; return the number of bytes, as asyncio's loop.sock_sendto()."""
        self._check_sock(sock)
        try:
            sent: int = sock.sendto(data, address)
        except _WOULD_BLOCK:
            sent = await self._when_writable(sock, _attempt, "sendto", (data, 0, address))
        return sent

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Connect a socket; host names are resolved first.

        Raises OSError. Stands in for asyncio's loop.sock_connect().
        """
        self._check_sock(sock)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            resolved = await self._ensure_resolved(
                address, family=sock.family, type=sock.type, proto=sock.proto, loop=self
            )
            address = resolved[0][4]
        try:
            sock.connect(address)
        except _WOULD_BLOCK:
            await self._when_writable(sock, _finish_connect, address)

    async def sock_accept(self, sock: Any) -> tuple[Any, Any]:
        """Return (connection, address) of the next connection; the new socket doesn't block.

        Stands in for asyncio's loop.sock_accept().
        """
        self._check_sock(sock)
        sock.fileno()  # Raises first, of what is no socket.
        try:
            connection, address = sock.accept()
        except _WOULD_BLOCK:
            connection, address = await self._when_readable(sock, "accept")
        connection.setblocking(False)
        return connection, address
