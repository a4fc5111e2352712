"""sendfile() of both kinds."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from tests.leaks.operation import Setting, operation, sockets, turns
from tests.support.files import LARGE, SMALL, file_with
from tests.support.protocols import Recorder, plain_peer
from tests.support.tls_peers import tls_peer

CYCLES = 10


@operation(cycles=CYCLES)
async def files_from_sockets(setting: Setting) -> None:
    loop = setting.loop
    with file_with(SMALL, setting.directory) as file, sockets() as (ours, theirs):
        for fallback in (True, False):
            assert await loop.sock_sendfile(ours, file, fallback=fallback) == len(SMALL)
            assert await loop.sock_recv(theirs, len(SMALL)) == SMALL


@operation(cycles=CYCLES)
async def files_from_transports(setting: Setting) -> None:
    loop: Any = setting.loop
    with file_with(SMALL, setting.directory) as file:
        async with plain_peer(loop, Recorder(loop)) as (transport, _):
            file.seek(0)
            assert await loop.sendfile(transport, file) == len(SMALL)
            transport.write(b"afterwards")
        async with tls_peer(loop, Recorder(loop), setting.certificates) as (transport, _):
            file.seek(0)
            assert await loop.sendfile(transport, file) == len(SMALL)
            with contextlib.suppress(RuntimeError, asyncio.SendfileNotAvailableError):
                await loop.sendfile(transport, file, fallback=False)


@operation(cycles=CYCLES)
async def files_that_are_not_sent(setting: Setting) -> None:
    """Cancelled, or the peer goes, or the transport is closed."""
    loop: Any = setting.loop
    with file_with(LARGE, setting.directory) as file:
        for end in ("cancel", "peer", "abort"):
            with sockets() as (ours, theirs):
                sending = asyncio.ensure_future(loop.sock_sendfile(ours, file))
                await turns(3)
                theirs.close() if end == "peer" else sending.cancel()
                with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                    await sending
                del sending
            async with plain_peer(loop, Recorder(loop)) as (transport, peer):
                await end_while_sending(end, loop, transport, peer, file)


@operation(cycles=CYCLES, needs_collector="asyncio gives a lost transport its protocol back")
async def files_that_are_not_encrypted(setting: Setting) -> None:
    loop: Any = setting.loop
    with file_with(LARGE, setting.directory) as file:
        for end in ("cancel", "abort"):
            async with tls_peer(loop, Recorder(loop), setting.certificates) as (transport, peer):
                await end_while_sending(end, loop, transport, peer.sock, file)


async def end_while_sending(end: str, loop: Any, transport: Any, peer: Any, file: Any) -> None:
    sending = asyncio.ensure_future(loop.sendfile(transport, file))
    await turns(3)
    if end == "cancel":
        sending.cancel()
    elif end == "abort":
        transport.abort()
    else:
        peer.close()
    with contextlib.suppress(asyncio.CancelledError, ConnectionError):
        await sending
    del sending  # Its exception refers to us.


@operation(cycles=CYCLES)
async def wrong_arguments_of_sendfile(setting: Setting) -> None:
    loop: Any = setting.loop
    with file_with(SMALL, setting.directory) as file, sockets() as (ours, _):
        for options in ({"offset": -1}, {"count": -1}, {"offset": "x"}, {"count": 1.5}):
            with contextlib.suppress(ValueError, TypeError):
                await loop.sock_sendfile(ours, file, **options)
        for closed in (True, False):
            async with plain_peer(loop, Recorder(loop)) as (transport, _):
                if closed:
                    transport.close()
                with contextlib.suppress(RuntimeError, TypeError, ValueError):
                    await loop.sendfile(transport, file, offset=0 if closed else -1)
