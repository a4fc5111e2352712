"""Servers that send a file."""

from __future__ import annotations

import asyncio
import socket
import tempfile
from typing import BinaryIO, cast

from harness.rows import Load, network

from .protocols import listen

POSITION = 75
SIZE = 16 << 20
ONE = Load(1, 64, SIZE, echo=False)


class FileServer(asyncio.Protocol):
    """Answers each request with the whole file."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """A request comes in one piece."""
        loop = asyncio.get_running_loop()
        self.sending = loop.create_task(loop.sendfile(self.transport, self.file, 0))


@network("sendfile_16m", "sendfile, 16 MiB", ONE, figure="mib")
@network("sendfile_16m_cpu", "sendfile, 16 MiB, server's CPU", ONE)
async def sendfile(listener: socket.socket) -> object:
    """One connection, one file after the other."""
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryFile() as small:
        small.write(b"x")
        small.flush()
        ours, theirs = socket.socketpair()
        with theirs:  # A loop that has no sendfile() says so before a client waits for it.
            transport, _ = await loop.create_unix_connection(asyncio.Protocol, sock=ours)
            await loop.sendfile(transport, small)
            transport.close()
    file = tempfile.TemporaryFile()  # noqa: SIM115  # Open as long as the server.
    file.write(b"0123456789abcdef" * (SIZE // 16))
    file.flush()
    return file, await listen(lambda: FileServer(file), listener)
