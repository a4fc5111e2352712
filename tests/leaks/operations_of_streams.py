"""asyncio's streams, on top of the transports."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from tests.leaks.operation import Setting, operation, turns
from tests.support import stream_pairs

CYCLE = "asyncio's reader, its protocol and transport refer to one another"


@operation(needs_collector=CYCLE)
async def streams(setting: Setting) -> None:
    async with stream_pairs.pair() as (client, peer):
        client.writer.write(b"line\n")
        assert await peer.reader.readline() == b"line\n"
        peer.writer.write(bytes(1 << 18))
        await asyncio.gather(peer.writer.drain(), client.reader.readexactly(1 << 18))


@operation(needs_collector=CYCLE)
async def unix_streams(setting: Setting) -> None:
    path = setting.directory / "streams"
    async with stream_pairs.pair(str(path)) as (client, peer):
        client.writer.write(b"line\n")
        assert await peer.reader.readline() == b"line\n"
    path.unlink(missing_ok=True)


@operation(needs_collector=CYCLE)
async def failing_streams(setting: Setting) -> None:
    async with stream_pairs.pair(limit=10) as (client, peer):
        client.writer.write(bytes(100))
        with contextlib.suppress(asyncio.LimitOverrunError):
            await peer.reader.readuntil(b"\n")
        reading = asyncio.ensure_future(client.reader.read(1))
        await turns(2)
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        client.writer.write_eof()
        with contextlib.suppress(asyncio.IncompleteReadError):
            await peer.reader.readexactly(1000)


@operation(reports=True)
async def failing_handlers(setting: Setting) -> None:
    async def connected(reader: Any, writer: Any) -> None:
        writer.close()
        raise RuntimeError("of a handler")

    server = await stream_pairs.start(connected)
    client = await stream_pairs.connect(server)
    assert await client.reader.read() == b""
    await stream_pairs.close(client)
    server.close()
    await server.wait_closed()
