"""TCP and Unix connections and servers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import warnings
from typing import Any

from tests.leaks.operation import (
    ExpectedError,
    Setting,
    cancelled_after,
    failing,
    failing_in,
    operation,
    sockets,
    turns,
)
from tests.support.protocols import Echo, Recorder, plain_peer, serving


async def talk(transport: Any, protocol: Any, data: bytes = b"hello") -> None:
    """Gets an echo and closes."""
    transport.write(data)
    await protocol.until(lambda p: len(p.received) == len(data))
    transport.close()
    await protocol.lost


@operation()
async def tcp_connections(setting: Setting) -> None:
    loop = setting.loop
    async with serving(lambda: Echo(loop)) as (_, address):
        for data in (b"hello", bytes(1 << 20)):
            await talk(*await loop.create_connection(lambda: Recorder(loop), *address), data)


@operation()
async def tcp_connections_from_an_address(setting: Setting) -> None:
    loop = setting.loop
    async with serving(lambda: Echo(loop)) as (_, address):
        made = await loop.create_connection(
            lambda: Recorder(loop), *address, local_addr=("127.0.0.1", 0)
        )
        await talk(*made)
        with contextlib.suppress(OSError):  # One of another family.
            await loop.create_connection(asyncio.Protocol, *address, local_addr=("::1", 0))


@operation()
async def unix_connections(setting: Setting) -> None:
    loop = setting.loop
    path = str(setting.directory / "server")
    server = await loop.create_unix_server(lambda: Echo(loop), path)
    await talk(*await loop.create_unix_connection(lambda: Recorder(loop), path))
    server.close()
    await server.wait_closed()
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


@operation()
async def adopted_sockets(setting: Setting) -> None:
    loop = setting.loop
    ours, theirs = socket.socketpair()
    echo = Echo(loop)
    await loop.connect_accepted_socket(lambda: echo, ours)
    await talk(*await loop.create_unix_connection(lambda: Recorder(loop), sock=theirs))
    await echo.lost


@operation()
async def refused_connections(setting: Setting) -> None:
    loop = setting.loop
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with contextlib.suppress(ConnectionRefusedError):
            await loop.create_connection(asyncio.Protocol, *unused.getsockname())
        with contextlib.suppress(OSError):
            await loop.create_connection(asyncio.Protocol, "localhost", unused.getsockname()[1])
    with contextlib.suppress(FileNotFoundError):
        await loop.create_unix_connection(asyncio.Protocol, str(setting.directory / "nobody"))


@operation(needs_collector="asyncio's staggered_race() holds what it raises")
async def refused_races(setting: Setting) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with contextlib.suppress(OSError):
            await setting.loop.create_connection(
                asyncio.Protocol,
                *("localhost", unused.getsockname()[1]),
                happy_eyeballs_delay=0.001,
            )


@operation()
async def wrong_arguments_of_connections(setting: Setting) -> None:
    loop: Any = setting.loop
    with socket.socket(type=socket.SOCK_DGRAM) as datagrams, socket.socket() as free:
        for made in (
            loop.create_connection(asyncio.Protocol),
            loop.create_connection(asyncio.Protocol, "127.0.0.1", 80, sock=free),
            loop.create_connection(asyncio.Protocol, sock=datagrams),
            loop.create_connection(asyncio.Protocol, "127.0.0.1", 80, server_hostname="x"),
            loop.create_server(asyncio.Protocol, "127.0.0.1", 80, ssl=True),
            loop.create_server(asyncio.Protocol),
            loop.create_unix_connection(asyncio.Protocol),
            loop.create_unix_server(asyncio.Protocol),
            loop.connect_accepted_socket(asyncio.Protocol, datagrams),
            loop.create_unix_server(asyncio.Protocol, str(setting.directory / "no" / "where")),
        ):
            with contextlib.suppress(ValueError, TypeError, OSError):
                await made


@operation()
async def addresses_in_use(setting: Setting) -> None:
    loop = setting.loop
    async with serving(asyncio.Protocol) as (_, address):
        with contextlib.suppress(OSError):
            await loop.create_server(asyncio.Protocol, *address)
        with contextlib.suppress(OSError):  # The first of them is free.
            await loop.create_server(asyncio.Protocol, ["127.0.0.2", "127.0.0.1"], address[1])


@operation()
async def cancelled_connections(setting: Setting) -> None:
    loop = setting.loop
    async with serving(lambda: Echo(loop)) as (server, address):
        for steps in range(1, 5):
            task = asyncio.ensure_future(loop.create_connection(lambda: Recorder(loop), *address))
            await turns(steps)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                (await task)[0].abort()
        await turns(5)
    del server
    await turns(5)


@operation()
async def cancelled_adoptions(setting: Setting) -> None:
    loop = setting.loop
    for steps in (0, 1):
        with sockets() as (ours, _):
            await cancelled_after(steps, loop.create_connection(lambda: Recorder(loop), sock=ours))
            await turns(3)


@operation()
async def failing_factories(setting: Setting) -> None:
    loop = setting.loop
    async with serving(lambda: Echo(loop)) as (_, address):
        with contextlib.suppress(ExpectedError):
            await loop.create_connection(failing, *address)
        for adopt in (loop.create_connection, loop.connect_accepted_socket):
            with sockets() as (ours, _):
                with contextlib.suppress(ExpectedError):
                    await adopt(failing, sock=ours)
        await turns(5)


@operation()
async def failing_factories_of_servers(setting: Setting) -> None:
    """Which the exception handler is told of in debug mode only."""
    loop = setting.loop
    async with serving(failing_in(asyncio.Protocol, "__init__")) as (_, address):
        protocol = Recorder(loop)
        await loop.create_connection(lambda: protocol, *address)
        await protocol.lost


@operation(reports=True)
async def failing_protocols(setting: Setting) -> None:
    loop = setting.loop
    for method in ("connection_made", "data_received", "eof_received", "connection_lost"):
        with sockets() as (ours, theirs):
            with contextlib.suppress(ExpectedError):
                await loop.create_connection(failing_in(asyncio.Protocol, method), sock=ours)
            theirs.send(b"data")
            await turns(5)
            theirs.close()
            await turns(5)
            ours.close()


def empty_buffer(protocol: Any, hint: int) -> bytearray:
    return bytearray()


def small_buffer(protocol: Any, hint: int) -> bytearray:
    return bytearray(10)


@operation(reports=True)
async def failing_buffers(setting: Setting) -> None:
    loop = setting.loop
    for kind in (
        failing_in(asyncio.BufferedProtocol, "get_buffer"),
        failing_in(asyncio.BufferedProtocol, "buffer_updated", get_buffer=empty_buffer),
        failing_in(asyncio.BufferedProtocol, "buffer_updated", get_buffer=small_buffer),
    ):
        with sockets() as (ours, theirs):
            await loop.create_connection(kind, sock=ours)
            theirs.send(b"data")
            await turns(5)


@operation()
async def waiting_writes(setting: Setting) -> None:
    """Aborted, closed by the peer, sent in the end."""
    loop = setting.loop
    for end in ("abort", "reset", "close"):
        protocol = Recorder(loop)
        async with plain_peer(loop, protocol) as (transport, theirs):
            transport.write(bytes(1 << 20))
            transport.write(bytearray(1 << 20))
            transport.writelines([bytes(100), memoryview(bytearray(100))])
            await turns(2)
            if end == "abort":
                transport.abort()
            elif end == "reset":
                theirs.close()
            else:
                transport.close()
                while await loop.sock_recv(theirs, 1 << 18):
                    pass
            await protocol.lost
            transport.write(b"too late")


@operation()
async def changes_of_a_transport(setting: Setting) -> None:
    loop = setting.loop
    protocol = Recorder(loop)
    async with plain_peer(loop, protocol) as (transport, theirs):
        transport.pause_reading()
        transport.resume_reading()
        transport.set_protocol(protocol)
        transport.set_write_buffer_limits(high=10)
        for name in ("socket", "peername", "sockname", "nothing"):
            transport.get_extra_info(name, object())
        with contextlib.suppress(TypeError):
            transport.write("text")
        with contextlib.suppress(TypeError):
            transport.writelines([1])
        repr(transport)
        transport.write_eof()
        theirs.send(b"data")
        await protocol.until(lambda p: p.received)
        theirs.close()
        await protocol.lost


@operation(needs_collector="a protocol and its transport refer to one another")
async def abandoned_connections(setting: Setting) -> None:
    """Reading is paused, so the loop does not keep them."""
    loop = setting.loop
    with sockets() as (ours, _), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        transport, protocol = await loop.create_connection(lambda: Recorder(loop), sock=ours)
        transport.pause_reading()
        del transport, protocol


@operation()
async def servers(setting: Setting) -> None:
    loop = setting.loop
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, start_serving=False)
    await server.start_serving()
    assert server.sockets
    server.close()
    await server.wait_closed()
    async with await loop.create_server(asyncio.Protocol, "127.0.0.1", 0) as server:
        await cancelled_after(2, server.serve_forever())
    never_started = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, start_serving=False)
    never_started.close()


@operation(needs_collector="a server and its sockets refer to one another")
async def abandoned_servers(setting: Setting) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        server = await setting.loop.create_server(
            asyncio.Protocol, "127.0.0.1", 0, start_serving=False
        )
        del server
