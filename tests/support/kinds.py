"""One object of each public kind, ready for use, from a loop of either library."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Any

Loop = asyncio.AbstractEventLoop


def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server and a client that need no certificate."""
    contexts = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context in contexts:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("aNULL:@SECLEVEL=0")
    contexts[1].check_hostname = False
    contexts[1].verify_mode = ssl.CERT_NONE
    return contexts


@contextlib.asynccontextmanager
async def tls_transport(loop: Loop) -> Any:
    for_server, for_client = tls_contexts()
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, ssl=for_server)
    host, port = server.sockets[0].getsockname()
    transport, _ = await loop.create_connection(
        asyncio.Protocol, host, port, ssl=for_client, server_hostname=""
    )
    yield transport
    transport.abort()
    server.close()
    for _ in range(20):  # The server's end notices.
        await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def loop_itself(loop: Loop) -> Any:
    yield loop


@contextlib.asynccontextmanager
async def handle(loop: Loop) -> Any:
    made = loop.call_soon(print)
    made.cancel()
    yield made


@contextlib.asynccontextmanager
async def timer_handle(loop: Loop) -> Any:
    made = loop.call_later(1000, print)
    made.cancel()
    yield made


@contextlib.asynccontextmanager
async def server(loop: Loop) -> Any:
    async with await loop.create_server(asyncio.Protocol, "127.0.0.1", 0) as made:
        yield made


@contextlib.asynccontextmanager
async def stream_transport(loop: Loop) -> Any:
    ours, theirs = socket.socketpair()
    with theirs:
        transport, _ = await loop.create_unix_connection(asyncio.Protocol, sock=ours)
        yield transport
        transport.abort()
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def datagram_transport(loop: Loop) -> Any:
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    yield transport
    transport.abort()
    await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def read_pipe(loop: Loop) -> Any:
    read_end, write_end = os.pipe()
    with open(read_end, "rb", 0) as pipe, open(write_end, "wb", 0):
        transport, _ = await loop.connect_read_pipe(asyncio.Protocol, pipe)
        yield transport
        transport.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def write_pipe(loop: Loop) -> Any:
    read_end, write_end = os.pipe()
    with open(read_end, "rb", 0), open(write_end, "wb", 0) as pipe:
        transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, pipe)
        yield transport
        transport.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def subprocess(loop: Loop) -> Any:
    exited: asyncio.Future[None] = loop.create_future()

    class Protocol(asyncio.SubprocessProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            exited.set_result(None)

    transport, _ = await loop.subprocess_exec(Protocol, sys.executable, "-c", "")
    yield transport
    await exited
    transport.close()


KINDS: dict[str, Callable[[Loop], Any]] = {
    "loop": loop_itself,
    "handle": handle,
    "timer handle": timer_handle,
    "server": server,
    "stream transport": stream_transport,
    "TLS transport": tls_transport,
    "datagram transport": datagram_transport,
    "read pipe": read_pipe,
    "write pipe": write_pipe,
    "subprocess": subprocess,
}
