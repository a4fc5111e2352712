"""sock_*: raw socket operations that wait through the loop."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object

_WOULD_BLOCK = (BlockingIOError, InterruptedError)


class SocketsMixin(LoopBase):
    """Each tries at once, and waits for the descriptor only if that would block."""

    def _check_sock(self, sock: Any) -> None:
        ssl = sys.modules.get("ssl")
        if ssl is not None and isinstance(sock, ssl.SSLSocket):
            raise TypeError("Socket cannot be of type SSLSocket")
        if self.get_debug() and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")

    async def _until_readable(self, sock: Any, attempt: Callable[..., Any], *args: Any) -> Any:
        """Call attempt(*args) whenever `sock` is readable until it doesn't block."""
        future = self.create_future()
        fd = sock.fileno()
        self.add_reader(fd, _attempt, future, attempt, args)
        try:
            return await future
        finally:
            self.remove_reader(fd)

    async def _until_writable(self, sock: Any, attempt: Callable[..., Any], *args: Any) -> Any:
        future = self.create_future()
        fd = sock.fileno()
        self.add_writer(fd, _attempt, future, attempt, args)
        try:
            return await future
        finally:
            self.remove_writer(fd)

    async def _sock_recv(self, sock: Any, n: int) -> bytes:
        self._check_sock(sock)
        try:
            return sock.recv(n)  # type: ignore[no-any-return]
        except _WOULD_BLOCK:
            return await self._until_readable(sock, sock.recv, n)  # type: ignore[no-any-return]

    async def _sock_recv_into(self, sock: Any, buf: Any) -> int:
        self._check_sock(sock)
        try:
            return sock.recv_into(buf)
        except _WOULD_BLOCK:
            return await self._until_readable(sock, sock.recv_into, buf)

    async def sock_recvfrom(self, sock: Any, bufsize: int) -> tuple[bytes, Any]:
        self._check_sock(sock)
        try:
            return sock.recvfrom(bufsize)
        except _WOULD_BLOCK:
            return await self._until_readable(sock, sock.recvfrom, bufsize)

    async def sock_recvfrom_into(self, sock: Any, buf: Any, nbytes: int = 0) -> tuple[int, Any]:
        self._check_sock(sock)
        if not nbytes:
            nbytes = len(buf)
        try:
            return sock.recvfrom_into(buf, nbytes)
        except _WOULD_BLOCK:
            return await self._until_readable(sock, sock.recvfrom_into, buf, nbytes)

    async def _sock_sendall(self, sock: Any, data: Any) -> None:
        self._check_sock(sock)
        try:
            sent = sock.send(data)
        except _WOULD_BLOCK:
            sent = 0
        view = memoryview(data)
        while sent < len(view):
            sent += await self._until_writable(sock, sock.send, view[sent:])

    async def sock_sendto(self, sock: Any, data: Any, address: Any) -> int:
        self._check_sock(sock)
        try:
            return sock.sendto(data, address)
        except _WOULD_BLOCK:
            return await self._until_writable(sock, sock.sendto, data, address)

    async def sock_connect(self, sock: Any, address: Any) -> None:
        self._check_sock(sock)
        if sock.family == socket.AF_INET or sock.family == socket.AF_INET6:
            resolved = await self._ensure_resolved(
                address, family=sock.family, type=sock.type, proto=sock.proto, loop=self
            )
            _, _, _, _, address = resolved[0]
        try:
            sock.connect(address)
            return
        except _WOULD_BLOCK:
            pass
        await self._until_writable(sock, _finish_connect, sock, address)

    async def sock_accept(self, sock: Any) -> tuple[Any, Any]:
        self._check_sock(sock)
        try:
            connection, address = sock.accept()
        except _WOULD_BLOCK:
            connection, address = await self._until_readable(sock, sock.accept)
        connection.setblocking(False)
        return connection, address


def _finish_connect(sock: Any, address: Any) -> None:
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, f"Connect call failed {address}")


def _attempt(future: asyncio.Future[Any], attempt: Callable[..., Any], args: Any) -> None:
    if future.done():
        return
    try:
        result = attempt(*args)
    except _WOULD_BLOCK:
        return
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as exc:
        future.set_exception(exc)
    else:
        future.set_result(result)
