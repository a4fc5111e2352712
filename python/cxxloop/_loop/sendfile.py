"""sendfile, sock_sendfile: files sent by the system where it can, and in blocks where it can't."""

from __future__ import annotations

import asyncio
import errno
import inspect
import io
import os
import socket
import sys
from asyncio import constants, unix_events
from typing import TYPE_CHECKING, Any

from cxxloop._arguments import check_ssl_socket

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object

_BLOCK = 16384  # bytes, of the fallback for transports
_AT_MOST = sys.maxsize // 2 + 1  # What os.sendfile() takes on every architecture.

_asyncio_loop: Any = unix_events.SelectorEventLoop

# Since gh-150107 asyncio moves a file to `offset` even if that is 0 or nothing was sent, and waits
# behind a block instead of before it. Maintenance releases have that too, so it is looked for.
_ALWAYS_SEEKS = (
    "total_sent" not in inspect.signature(_asyncio_loop._sock_sendfile_update_filepos).parameters
)


def _check_parameters(sock: Any, file: Any, offset: Any, count: Any) -> None:
    if "b" not in getattr(file, "mode", "b"):
        raise ValueError("file should be opened in binary mode")
    if sock.type != socket.SOCK_STREAM:
        raise ValueError("only SOCK_STREAM type sockets are supported")
    if count is not None:
        if not isinstance(count, int):
            raise TypeError(f"count must be a positive integer (got {count!r})")
        if count <= 0:
            raise ValueError(f"count must be a positive integer (got {count!r})")
    if not isinstance(offset, int):
        raise TypeError(f"offset must be a non-negative integer (got {offset!r})")
    if offset < 0:
        raise ValueError(f"offset must be a non-negative integer (got {offset!r})")


def _file_to_send(file: Any) -> tuple[int, int]:
    """(descriptor, size in bytes) of a file that os.sendfile() may take.

    Raises SendfileNotAvailableError for anything else.
    """
    try:
        os.sendfile  # noqa: B018  # Not every system has it.
    except AttributeError:
        raise asyncio.SendfileNotAvailableError("os.sendfile() is not available")  # noqa: B904
    try:
        fileno = file.fileno()
    except (AttributeError, io.UnsupportedOperation):
        raise asyncio.SendfileNotAvailableError("not a regular file")  # noqa: B904
    try:
        return fileno, os.fstat(fileno).st_size
    except OSError:
        raise asyncio.SendfileNotAvailableError("not a regular file")  # noqa: B904


class _FileSender:
    """Sends a file with as many calls of os.sendfile() as the socket needs.

    `future` gets the number of bytes, or what went wrong. While the socket takes no more it is
    watched, and nothing runs.
    """

    def __init__(self, loop: LoopBase, sock: Any, fileno: int, offset: int, size: int) -> None:
        self.future: asyncio.Future[int] | None = loop.create_future()
        self._loop = loop
        self._sock = sock
        self._fileno = fileno
        self._offset = offset
        self._size = size  # of the block to ask for
        self._left: int | None = None  # bytes, where a number was given
        self._end = offset + size  # where the file ends as far as we know
        self._sent = 0
        self._watched = -1
        self._handle: asyncio.Handle | None = None

    def start(self, count: int | None) -> asyncio.Future[int]:
        """Begin to send `count` bytes, or all there is; return the future."""
        future = self.future
        assert future is not None
        self._left = count
        self._send()
        if not future.done():
            self._watched = self._sock.fileno()
            self._handle = self._loop._add_writer(self._watched, self._send)
            future.add_done_callback(self._stop_watching)
        return future

    def _stop_watching(self, future: asyncio.Future[int]) -> None:
        handle = self._handle
        if handle is not None and not handle.cancelled():  # Nobody else has taken its place.
            self._loop._remove_writer(self._watched)
        self._handle = None

    def _send(self) -> None:
        if self.future is None or self.future.done():
            return
        try:
            if self._send_some():
                self._update_file_position()
                self._take_future().set_result(self._sent)
        except (BlockingIOError, InterruptedError):
            pass
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._fail(exc)

    def _take_future(self) -> asyncio.Future[int]:
        """The future, which is forgotten: an exception's traceback holds us, a cycle otherwise."""
        future = self.future
        assert future is not None
        self.future = None
        return future

    def _send_some(self) -> bool:
        """One call; a second one if that may tell that all has been sent, which this returns."""
        fd = self._sock.fileno()
        while True:
            if self._left is not None:
                self._size = self._left
            sent = os.sendfile(fd, self._fileno, self._offset, min(self._size, _AT_MOST))
            if sent == 0:  # The file's end.
                return True
            self._offset += sent
            self._sent += sent
            if self._left is not None:
                self._left -= sent
                if self._left <= 0:
                    return True
            if self._offset < self._end:
                return False

    def _fail(self, exc: BaseException) -> None:
        try:
            self._update_file_position()
        except OSError as not_seekable:
            self._take_future().set_exception(not_seekable)
            return
        if isinstance(exc, OSError):
            if (
                self._handle is not None
                and exc.errno == errno.ENOTCONN
                and type(exc) is not ConnectionError
            ):
                # The connection ended on the way; other systems say so with this exception.
                normal = ConnectionError("socket is not connected", errno.ENOTCONN)
                normal.__cause__ = exc
                exc = normal
            if self._sent == 0:
                # Most likely a file that can't be mapped: reading and sending may do.
                exc = asyncio.SendfileNotAvailableError("os.sendfile call failed")
        self._take_future().set_exception(exc)

    def _update_file_position(self) -> None:
        if self._sent > 0 or _ALWAYS_SEEKS:
            os.lseek(self._fileno, self._offset, os.SEEK_SET)


class _SendfileFallbackProtocol(asyncio.Protocol):
    """Stands in for a transport's protocol while a file is written in blocks."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: Any) -> None:
        self._loop = loop
        self._transport = transport
        self._protocol = transport.get_protocol()
        self._should_resume_reading = transport.is_reading()
        self._should_resume_writing = transport._protocol_paused
        transport.pause_reading()
        transport.set_protocol(self)
        self._writable: asyncio.Future[None] | None = None
        if self._should_resume_writing:
            self._writable = loop.create_future()

    async def drain(self) -> None:
        """Wait until the transport takes more. Raises ConnectionError when it is closing."""
        if self._transport.is_closing():
            raise ConnectionError("Connection closed by peer")
        if self._writable is not None:
            await self._writable

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        raise RuntimeError("Invalid state: connection should have been established already.")

    def connection_lost(self, exc: Exception | None) -> None:
        writable = self._take_writable()
        if writable is not None:
            # For whoever sends the file this is an error in any case.
            if exc is None:
                exc_of_sender: Exception = ConnectionError("Connection is closed by peer")
            else:
                exc_of_sender = exc
            writable.set_exception(exc_of_sender)
        self._protocol.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._writable is None:
            self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        writable = self._take_writable()
        if writable is not None:
            writable.set_result(None)

    def _take_writable(self) -> asyncio.Future[None] | None:
        """What the sender waits for, unless it was cancelled; an exception in it refers to us."""
        writable, self._writable = self._writable, None
        return None if writable is None or writable.done() else writable

    def data_received(self, data: bytes) -> None:
        raise RuntimeError("Invalid state: reading should be paused")

    def eof_received(self) -> bool | None:
        raise RuntimeError("Invalid state: reading should be paused")

    def restore(self) -> None:
        """Give the transport its protocol back, and that what it was waiting for."""
        self._transport.set_protocol(self._protocol)
        if self._should_resume_reading:
            self._transport.resume_reading()
        if self._writable is not None:
            self._writable.cancel()
        if self._should_resume_writing:
            self._protocol.resume_writing()


class SendfileMixin(LoopBase):
    """A file goes out behind everything that was written before it."""

    async def sendfile(
        self,
        transport: Any,
        file: Any,
        offset: int = 0,
        count: int | None = None,
        *,
        fallback: bool = True,
    ) -> int:
        """Send a file that was opened in binary mode over a transport; return the number of bytes.

        Sending starts at `offset` bytes and ends after `count`, or at the end of the file; the
        file's position follows. Nothing can be written meanwhile. Where the system can't send the
        file itself (TLS, a file in memory) it is read and written in blocks if `fallback` is true.

        Raises SendfileNotAvailableError or RuntimeError where that is forbidden, RuntimeError for
        a transport that is closing or can't send files, ConnectionError when the connection ends.
        Stands in for asyncio's loop.sendfile().
        """
        if transport.is_closing():
            raise RuntimeError("Transport is closing")
        modes: Any = constants._SendfileMode
        mode = getattr(transport, "_sendfile_compatible", modes.UNSUPPORTED)
        if mode is modes.UNSUPPORTED:
            raise RuntimeError(f"sendfile is not supported for transport {transport!r}")
        if mode is modes.TRY_NATIVE:
            try:
                return await self._sendfile_native(transport, file, offset, count)
            except asyncio.SendfileNotAvailableError:
                if not fallback:
                    raise
        if not fallback:
            raise RuntimeError(
                f"fallback is disabled and native sendfile is not "
                f"supported for transport {transport!r}"
            )
        return await self._sendfile_fallback(transport, file, offset, count)

    async def sock_sendfile(
        self,
        sock: Any,
        file: Any,
        offset: int = 0,
        count: int | None = None,
        *,
        fallback: bool | None = True,
    ) -> int:
        """Send a file over a non-blocking stream socket; return the number of bytes.

        The arguments are those of sendfile(). Raises SendfileNotAvailableError where the system
        can't send the file and `fallback` is false, TypeError for TLS sockets, OSError.
        Stands in for asyncio's loop.sock_sendfile().
        """
        if self.get_debug() and sock.gettimeout() != 0:
            raise ValueError("the socket must be non-blocking")
        check_ssl_socket(sock)
        self._check_sendfile_params(sock, file, offset, count)
        try:
            return await self._sock_sendfile_native(sock, file, offset, count)
        except asyncio.SendfileNotAvailableError:
            if not fallback:
                raise
        return await self._sock_sendfile_fallback(sock, file, offset, count)

    def _check_sendfile_params(self, sock: Any, file: Any, offset: Any, count: Any) -> None:
        _check_parameters(sock, file, offset, count)

    async def _sock_sendfile_native(
        self, sock: Any, file: Any, offset: int, count: int | None
    ) -> int:
        fileno, size = _file_to_send(file)
        if not (count or size):
            return 0
        fd = sock.fileno()
        if fd >= 0:
            self._ensure_fd_no_transport(fd)
        sender = _FileSender(self, sock, fileno, offset, count or size)
        return await sender.start(count)

    async def _sendfile_native(
        self, transport: Any, file: Any, offset: int, count: int | None
    ) -> int:
        emptied = transport._make_empty_waiter()
        sender = None
        resume_reading = transport.is_reading()
        transport.pause_reading()
        try:
            await emptied
            if transport.is_closing():
                raise ConnectionError("Connection is closed by peer")
            sock = transport._sock
            self._check_sendfile_params(sock, file, offset, count)
            fileno, size = _file_to_send(file)
            if not (count or size):
                return 0
            sender = _FileSender(self, sock, fileno, offset, count or size)
            # Until it is done the transport takes no data, and fails it when the connection ends.
            transport._empty_waiter = sender.future
            return await sender.start(count)
        finally:
            emptied = sender = None  # Their exceptions refer to us.
            transport._reset_empty_waiter()
            if resume_reading:
                transport.resume_reading()

    async def _sock_sendfile_fallback(
        self, sock: Any, file: Any, offset: int, count: int | None
    ) -> int:
        _seek_to_start(file, offset)
        size = constants.SENDFILE_FALLBACK_READBUFFER_SIZE
        block = bytearray(min(count, size) if count else size)
        sent = 0
        try:
            while view := _next_block(block, count, sent):
                length = await self.run_in_executor(None, file.readinto, view)
                if not length:
                    break
                await self.sock_sendall(sock, view[:length])
                sent += length
        finally:
            _seek_behind(file, offset, sent)
        return sent

    async def _sendfile_fallback(
        self, transport: Any, file: Any, offset: int, count: int | None
    ) -> int:
        _seek_to_start(file, offset)
        block = bytearray(min(count, _BLOCK) if count else _BLOCK)
        sent = 0
        protocol = _SendfileFallbackProtocol(self, transport)
        try:
            while view := _next_block(block, count, sent):
                length = await self.run_in_executor(None, file.readinto, view)
                if not length:
                    break
                if not _ALWAYS_SEEKS:
                    await protocol.drain()
                transport.write(view[:length])
                if _ALWAYS_SEEKS:
                    await protocol.drain()
                sent += length
        finally:
            _seek_behind(file, offset, sent)
            protocol.restore()
        return sent


def _seek_to_start(file: Any, offset: int) -> None:
    if offset if not _ALWAYS_SEEKS else hasattr(file, "seek"):
        file.seek(offset)


def _seek_behind(file: Any, offset: int, sent: int) -> None:
    if sent > 0 and hasattr(file, "seek"):
        file.seek(offset + sent)


def _next_block(block: bytearray, count: int | None, sent: int) -> memoryview:
    """The part of `block` to read into; empty when `count` bytes have been sent."""
    if not count:
        return memoryview(block)
    return memoryview(block)[: max(count - sent, 0)]
