"""connect_read_pipe() and connect_write_pipe()."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from asyncio.log import logger
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object

_ProtocolFactory = Callable[[], asyncio.BaseProtocol]

# Where the writing end of a pipe doesn't tell that its other end was closed, as asyncio knows it;
# a named one fares worse.
_SILENT_FIFOS = sys.platform.startswith("aix")
_SILENT_NAMED_FIFOS = sys.platform in {"darwin", "ios", "tvos", "watchos", "sunos5"}


def _notices_close(status: os.stat_result) -> bool:
    """Whether the writing end becomes readable when its other end is closed."""
    if stat.S_ISSOCK(status.st_mode):
        return True
    if not stat.S_ISFIFO(status.st_mode) or _SILENT_FIFOS:
        return False
    return not (_SILENT_NAMED_FIFOS and status.st_nlink > 0)


def _is_waitable(status: os.stat_result) -> bool:
    mode = status.st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISCHR(mode)


class PipesMixin(LoopBase):
    """Transports on pipes, FIFOs, sockets and character devices."""

    def _make_read_pipe_transport(
        self, pipe: Any, protocol: asyncio.BaseProtocol, waiter: asyncio.Future[Any] | None = None
    ) -> asyncio.ReadTransport:
        fd = pipe.fileno()
        if not _is_waitable(os.fstat(fd)):
            raise ValueError("Pipe transport is for pipes/sockets only.")
        os.set_blocking(fd, False)
        return self._make_native_read_pipe(pipe, fd, protocol, waiter)

    def _make_write_pipe_transport(
        self, pipe: Any, protocol: asyncio.BaseProtocol, waiter: asyncio.Future[Any] | None = None
    ) -> asyncio.WriteTransport:
        fd = pipe.fileno()
        status = os.fstat(fd)
        if not _is_waitable(status):
            raise ValueError("Pipe transport is only for pipes, sockets and character devices")
        os.set_blocking(fd, False)
        return self._make_native_write_pipe(pipe, fd, protocol, waiter, _notices_close(status))

    async def connect_read_pipe(  # type: ignore[override]
        self, protocol_factory: _ProtocolFactory, pipe: Any
    ) -> tuple[asyncio.ReadTransport, asyncio.BaseProtocol]:
        """Receive from a file-like object; return (transport, protocol).

        `pipe` is set to non-blocking, belongs to the transport and is closed with it. Raises
        ValueError unless it is a pipe, a socket or a character device. Stands in for asyncio's
        loop.connect_read_pipe().
        """
        protocol = protocol_factory()
        waiter = self.create_future()
        transport = self._make_read_pipe_transport(pipe, protocol, waiter)
        await self._until_connected("Read", pipe, transport, waiter)
        return transport, protocol

    async def connect_write_pipe(  # type: ignore[override]
        self, protocol_factory: _ProtocolFactory, pipe: Any
    ) -> tuple[asyncio.WriteTransport, asyncio.BaseProtocol]:
        """Send to a file-like object; return (transport, protocol).

        `pipe` is set to non-blocking, belongs to the transport and is closed with it. Raises
        ValueError unless it is a pipe, a socket or a character device. Stands in for asyncio's
        loop.connect_write_pipe().
        """
        protocol = protocol_factory()
        waiter = self.create_future()
        transport = self._make_write_pipe_transport(pipe, protocol, waiter)
        await self._until_connected("Write", pipe, transport, waiter)
        return transport, protocol

    async def _until_connected(
        self, kind: str, pipe: Any, transport: Any, waiter: asyncio.Future[Any]
    ) -> None:
        try:
            await waiter
        except BaseException:
            transport.close()
            raise
        if self._debug:
            logger.debug(
                "%s pipe %r connected: (%r, %r)",
                kind,
                pipe.fileno(),
                transport,
                transport.get_protocol(),
            )
