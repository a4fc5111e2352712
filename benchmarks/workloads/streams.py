"""Echo servers on asyncio's streams: read, readline, readexactly."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

from harness.rows import Load, network

POSITION = 70
SMALL = Load(50, 1024, 1024)
LARGE = Load(20, 100 * 1024, 100 * 1024)

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def listen(handler: Handler, listener: socket.socket) -> object:
    """A stream server whose lines may be long."""
    return await asyncio.start_server(handler, sock=listener, limit=256 * 1024)


@network("streams_read_1k_50", "streams read, 1 KiB x 50", SMALL)
@network("streams_read_100k_20", "streams read, 100 KiB x 20", LARGE)
async def streams_read(listener: socket.socket) -> object:
    """Whatever has arrived goes back."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()

    return await listen(handler, listener)


@network("streams_readline_1k_50", "streams readline, 1 KiB x 50", SMALL)
@network("streams_readline_100k_20", "streams readline, 100 KiB x 20", LARGE)
async def streams_readline(listener: socket.socket) -> object:
    """Line by line."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    return await listen(handler, listener)


async def exactly(listener: socket.socket, size: int) -> object:
    """Blocks of a known size."""

    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(await reader.readexactly(size))
                await writer.drain()
        except asyncio.IncompleteReadError:
            writer.close()

    return await listen(handler, listener)


@network("streams_readexactly_1k_50", "streams readexactly, 1 KiB x 50", SMALL)
async def streams_readexactly(listener: socket.socket) -> object:
    """Small blocks."""
    return await exactly(listener, 1024)


@network("streams_readexactly_100k_20", "streams readexactly, 100 KiB x 20", LARGE)
async def streams_readexactly_large(listener: socket.socket) -> object:
    """Large blocks."""
    return await exactly(listener, 100 * 1024)
