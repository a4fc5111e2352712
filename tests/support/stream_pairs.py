"""Streams of asyncio, in pairs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple


class Stream(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


async def start(connected: Any, place: str | None = None, **options: Any) -> asyncio.Server:
    """A server at a path, or on an ephemeral port."""
    if place is None:
        return await asyncio.start_server(connected, "127.0.0.1", 0, **options)
    return await asyncio.start_unix_server(connected, place, **options)


async def connect(server: asyncio.Server, **options: Any) -> Stream:
    """A client of that server."""
    address = server.sockets[0].getsockname()
    if isinstance(address, str):
        return Stream(*await asyncio.open_unix_connection(address, **options))
    return Stream(*await asyncio.open_connection(*address, **options))


async def close(*streams: Stream) -> None:
    for stream in streams:
        stream.writer.close()
        with contextlib.suppress(ConnectionError):
            await stream.writer.wait_closed()


@contextlib.asynccontextmanager
async def pair(
    place: str | None = None, limit: int = 1 << 16
) -> AsyncIterator[tuple[Stream, Stream]]:
    """A client and the server's end of its connection."""
    accepted: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()
    server = await start(lambda *stream: accepted.set_result(Stream(*stream)), place, limit=limit)
    client = await connect(server, limit=limit)
    peer = await accepted
    try:
        yield client, peer
    finally:
        await close(client, peer)
        server.close()
        await server.wait_closed()
