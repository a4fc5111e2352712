"""Servers made of protocols: echo over TCP and Unix sockets, and a response in two writes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from harness.rows import Load, network

POSITION = 60
KIB = 1024


class Echo(asyncio.Protocol):
    """Sends back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answers with the same bytes."""
        self.transport.write(data)


class BufferedEcho(asyncio.BufferedProtocol):
    """Sends back what comes, read into a buffer of its own."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self.transport = cast(asyncio.Transport, transport)
        self.buffer = memoryview(bytearray(64 * KIB))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Always the same buffer."""
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Answers with a copy, since the buffer is used again."""
        self.transport.write(bytes(self.buffer[:nbytes]))


class TwoWrites(asyncio.Protocol):
    """Answers each request with a head and a body, written one after the other."""

    head = b"h" * 128
    body = b"b" * (KIB - 128)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """A request comes in one piece."""
        self.transport.write(self.head)
        self.transport.write(self.body)


async def listen(factory: Callable[[], asyncio.BaseProtocol], listener: socket.socket) -> object:
    """A server on the socket, whichever its family."""
    loop = asyncio.get_running_loop()
    if listener.family == socket.AF_UNIX:
        return await loop.create_unix_server(factory, sock=listener)
    return await loop.create_server(factory, sock=listener)


@network("echo_1k_1", "protocol echo, 1 KiB x 1", Load(1, KIB, KIB))
@network("echo_1k_50", "protocol echo, 1 KiB x 50", Load(50, KIB, KIB))
@network("echo_100k_1", "protocol echo, 100 KiB x 1", Load(1, 100 * KIB, 100 * KIB))
@network("echo_100k_20", "protocol echo, 100 KiB x 20", Load(20, 100 * KIB, 100 * KIB))
@network("echo_100k_50", "protocol echo, 100 KiB x 50", Load(50, 100 * KIB, 100 * KIB))
@network("unix_echo_1k_50", "Unix echo, 1 KiB x 50", Load(50, KIB, KIB, family="unix"))
@network(
    "unix_echo_100k_20",
    "Unix echo, 100 KiB x 20",
    Load(20, 100 * KIB, 100 * KIB, family="unix"),
)
async def echo(listener: socket.socket) -> object:
    """The plainest server there is."""
    return await listen(Echo, listener)


@network("buffered_1k_50", "BufferedProtocol echo, 1 KiB x 50", Load(50, KIB, KIB))
@network("buffered_100k_20", "BufferedProtocol, 100 KiB x 20", Load(20, 100 * KIB, 100 * KIB))
async def buffered(listener: socket.socket) -> object:
    """The same through get_buffer and buffer_updated."""
    return await listen(BufferedEcho, listener)


@network("two_writes_50", "response in two writes, 1 KiB x 50", Load(50, 64, KIB, echo=False))
async def two_writes(listener: socket.socket) -> object:
    """As HTTP servers answer."""
    return await listen(TwoWrites, listener)
