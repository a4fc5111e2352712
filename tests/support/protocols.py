"""Protocols that record what a transport does with them, and peers to talk to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any


class Recorder(asyncio.Protocol):
    """Records each call; futures tell of the first connection, the end, and every change."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.calls: list[str] = []
        self.received = bytearray()
        self.transport: Any = None
        self.made = loop.create_future()
        self.lost: asyncio.Future[Exception | None] = loop.create_future()
        self.ended = loop.create_future()
        self._changed = asyncio.Event()
        self.keep_open_at_eof = False

    def _note(self, call: str) -> None:
        self.calls.append(call)
        self._changed.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._note("connection_made")
        self.made.set_result(None)

    def data_received(self, data: bytes) -> None:
        assert type(data) is bytes
        self.received += data
        self._note("data_received")

    def eof_received(self) -> bool:
        self._note("eof_received")
        self.ended.set_result(None)
        return self.keep_open_at_eof

    def connection_lost(self, exc: Exception | None) -> None:
        self._note("connection_lost")
        self.lost.set_result(exc)

    def pause_writing(self) -> None:
        self._note("pause_writing")

    def resume_writing(self) -> None:
        self._note("resume_writing")

    async def until(self, condition: Callable[[Recorder], Any]) -> None:
        """Waits until condition(self) holds; looks again after each call."""
        while not condition(self):
            self._changed.clear()
            await self._changed.wait()


class Echo(Recorder):
    """Sends back what it gets."""

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.transport.write(data)


@contextlib.asynccontextmanager
async def serving(
    factory: Callable[[], asyncio.BaseProtocol], **options: Any
) -> AsyncIterator[tuple[Any, tuple[str, int]]]:
    """A TCP server on an ephemeral port of the loopback: (server, address)."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(factory, "127.0.0.1", 0, **options)
    try:
        yield server, server.sockets[0].getsockname()
    finally:
        server.close()


@contextlib.asynccontextmanager
async def plain_peer(
    loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol
) -> AsyncIterator[tuple[Any, socket.socket]]:
    """A transport with `protocol`, and the plain non-blocking socket at its other end."""
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    transport, _ = await loop.create_unix_connection(lambda: protocol, sock=ours)
    try:
        yield transport, theirs
    finally:
        theirs.close()
        if not transport.is_closing():
            transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)


async def drain_peer(loop: asyncio.AbstractEventLoop, peer: socket.socket) -> bytes:
    """Everything that a peer gets until the end of the stream."""
    received = bytearray()
    while chunk := await loop.sock_recv(peer, 1 << 20):
        received += chunk
    return bytes(received)


async def read_exactly(loop: asyncio.AbstractEventLoop, peer: socket.socket, size: int) -> bytes:
    """The next `size` bytes that a peer gets; fewer at the end of the stream."""
    received = bytearray()
    while len(received) < size:
        chunk = await loop.sock_recv(peer, min(size - len(received), 1 << 20))
        if not chunk:
            break
        received += chunk
    return bytes(received)


async def tcp_peer(
    loop: asyncio.AbstractEventLoop, host: str, protocol: asyncio.BaseProtocol
) -> tuple[Any, socket.socket]:
    """A TCP transport with `protocol`, and the plain non-blocking socket at its other end."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.bind((host, 0))
        listener.listen()
        port = listener.getsockname()[1]
        transport, _ = await loop.create_connection(lambda: protocol, host, port)
        peer, _ = listener.accept()
    peer.setblocking(False)
    return transport, peer
