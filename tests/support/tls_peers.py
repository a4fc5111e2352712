"""The other end of an encrypted connection, which does what a test says, record by record."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from typing import Any

from tests.support.certificates import Certificates

CHUNK = 1 << 16


class TlsPeer:
    """TLS over a non-blocking socket, without a transport of the loop under test."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_hostname: str | None = "localhost",
    ) -> None:
        self.loop = loop
        self.sock = sock
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._incoming,
            self._outgoing,
            server_side=server_side,
            server_hostname=None if server_side else server_hostname,
        )

    def take(self) -> bytes:
        """The records that are to be sent."""
        return self._outgoing.read()

    async def flush(self) -> None:
        """Sends them."""
        await self.loop.sock_sendall(self.sock, self.take())

    async def fill(self) -> bool:
        """Waits for more from the other side; False at the end of the stream."""
        data = await self.loop.sock_recv(self.sock, CHUNK)
        self._incoming.write(data)
        return bool(data)

    async def handshake(self) -> None:
        """Raises ssl.SSLError when it fails, and EOFError when the other side goes."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.flush()
                if not await self.fill():
                    raise EOFError from None
            else:
                return await self.flush()

    def encrypt(self, *messages: bytes) -> bytes:
        """A record for each message, not sent yet."""
        for message in messages:
            assert self.tls.write(message) == len(message)
        return self.take()

    async def send(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self.tls.write(view) :]
            await self.flush()

    async def receive(self, count: int = CHUNK) -> bytes:
        """What has come, at most `count` bytes; b"" when the other side has said its end."""
        while True:
            try:
                return self.tls.read(count)
            except ssl.SSLWantReadError:
                if not await self.fill():
                    raise EOFError from None
            except ssl.SSLZeroReturnError:
                return b""

    async def receive_exactly(self, count: int) -> bytes:
        received = bytearray()
        while len(received) < count:
            data = await self.receive(count - len(received))
            if not data:
                raise EOFError
            received += data
        return bytes(received)

    async def receive_all(self) -> bytes:
        """Everything until close_notify."""
        received = bytearray()
        while data := await self.receive():
            received += data
        return bytes(received)

    def close_notify(self) -> bytes:
        """The record that says the end, not sent yet."""
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self.take()

    async def until_gone(self) -> None:
        """Reads, and drops, what comes until the other side has closed its socket."""
        with contextlib.suppress(ConnectionError):
            while await self.loop.sock_recv(self.sock, CHUNK):
                pass


def connect(
    loop: asyncio.AbstractEventLoop,
    protocol: asyncio.BaseProtocol,
    sock: socket.socket,
    context: ssl.SSLContext,
    *,
    server_side: bool = False,
    **options: Any,
) -> asyncio.Task[Any]:
    """A task that makes an encrypted transport of `sock`: (transport, protocol)."""
    if server_side:
        made: Any = loop.connect_accepted_socket(lambda: protocol, sock, ssl=context, **options)
    else:
        options.setdefault("server_hostname", "localhost")
        made = loop.create_connection(lambda: protocol, sock=sock, ssl=context, **options)
    return asyncio.ensure_future(made)


@contextlib.asynccontextmanager
async def raw_peer() -> AsyncIterator[tuple[socket.socket, socket.socket]]:
    """Two connected non-blocking sockets: one for a transport, one for the test."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    try:
        yield ours, theirs
    finally:
        theirs.close()
        ours.close()


@contextlib.asynccontextmanager
async def tls_peer(
    loop: asyncio.AbstractEventLoop,
    protocol: asyncio.BaseProtocol,
    certificates: Certificates,
    *,
    server_side: bool = False,
    version: ssl.TLSVersion | None = None,
    **options: Any,
) -> AsyncIterator[tuple[Any, TlsPeer]]:
    """An encrypted transport with `protocol`, on the given side, and its peer."""
    contexts = certificates.for_client(), certificates.for_server()
    if version is not None:
        for context in contexts:
            context.minimum_version = context.maximum_version = version
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    peer = TlsPeer(loop, theirs, contexts[not server_side], server_side=not server_side)
    made = connect(loop, protocol, ours, contexts[server_side], server_side=server_side, **options)
    transport: Any = None
    try:
        await peer.handshake()
        transport, _ = await made
        yield transport, peer
    finally:
        theirs.close()
        if transport is not None:
            transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)
