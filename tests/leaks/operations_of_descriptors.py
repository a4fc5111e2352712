"""add_reader, add_writer, the sock_* methods, name lookups."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import warnings
from collections.abc import Callable
from typing import Any

from tests.leaks.operation import (
    Setting,
    cancelled_after,
    failing,
    operation,
    sockets,
    turns,
)


def nothing(*args: Any) -> None: ...


@operation(cycles=50)
async def watchers(setting: Setting) -> None:
    loop = setting.loop
    with sockets() as (ours, theirs):
        called = asyncio.Event()
        loop.add_reader(ours, nothing, object())
        loop.add_reader(ours, called.set)
        loop.add_writer(ours, nothing, object())
        loop.add_writer(ours.fileno(), nothing, object())
        theirs.send(b"x")
        await called.wait()
        loop.remove_writer(ours)
        loop.remove_reader(ours)


@operation(cycles=50)
async def watchers_of_closed_descriptors(setting: Setting) -> None:
    loop = setting.loop
    with sockets() as (ours, _):
        loop.add_reader(ours, nothing, object())
        fd = ours.fileno()
        ours.close()
        await turns(2)
        loop.remove_reader(fd)
        for call in (loop.add_reader, loop.add_writer):
            with contextlib.suppress(OSError, ValueError):
                call(fd, nothing, object())
    file = os.open(os.devnull, os.O_RDONLY)
    with contextlib.suppress(PermissionError):
        loop.add_reader(file, nothing, object())
    os.close(file)


@operation(cycles=50, reports=True)
async def failing_watchers(setting: Setting) -> None:
    with sockets() as (ours, theirs):
        theirs.send(b"x")
        setting.loop.add_reader(ours, failing)
        setting.reported.clear()
        while not setting.reported:
            await turns(1)
        setting.loop.remove_reader(ours)


@operation(cycles=50)
async def receiving(setting: Setting) -> None:
    loop = setting.loop
    with sockets() as (ours, theirs):
        theirs.send(b"at once")
        assert await loop.sock_recv(ours, 100) == b"at once"
        waiting = asyncio.ensure_future(loop.sock_recv(ours, 100))
        await turns(2)
        theirs.send(b"later")
        assert await waiting == b"later"
        into = bytearray(10)
        waiting_into = asyncio.ensure_future(loop.sock_recv_into(ours, into))
        await turns(2)
        theirs.send(b"into")
        assert await waiting_into == 4


@operation(cycles=50)
async def sending(setting: Setting) -> None:
    loop = setting.loop
    with sockets() as (ours, theirs):
        data = bytes(1 << 20)
        whole = asyncio.ensure_future(loop.sock_sendall(ours, data))
        received = 0
        while received < len(data):
            received += len(await loop.sock_recv(theirs, 1 << 18))
        await whole


@operation(cycles=50)
async def cancelled_receiving(setting: Setting) -> None:
    loop = setting.loop
    with sockets() as (ours, _):
        await cancelled_after(2, loop.sock_recv(ours, 100))
        await cancelled_after(2, loop.sock_recv_into(ours, bytearray(10)))
        await cancelled_after(2, loop.sock_sendall(ours, bytes(1 << 22)))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0):
                await loop.sock_recv(ours, 100)


@operation(cycles=50)
async def failing_receiving(setting: Setting) -> None:
    loop: Any = setting.loop
    with sockets() as (ours, theirs):
        waiting = asyncio.ensure_future(loop.sock_sendall(ours, bytes(1 << 22)))
        await turns(2)
        theirs.close()
        with contextlib.suppress(OSError):
            await waiting
        refused: list[Callable[[], Any]] = [
            lambda: loop.sock_recv(ours, -1),
            lambda: loop.sock_recv(ours, "some"),
            lambda: loop.sock_recv_into(ours, b"read only"),
            lambda: loop.sock_sendall(ours, 5),
            lambda: loop.sock_recv(None, 5),
        ]
        for made in refused:
            with contextlib.suppress(TypeError, ValueError, BufferError, AttributeError):
                await made()


@operation(cycles=50)
async def operations_that_nobody_awaits(setting: Setting) -> None:
    loop = setting.loop
    with sockets() as (ours, _), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        made: Any = loop.sock_recv(ours, 100)
        del made
        made = loop.sock_sendall(ours, b"data")
        made.close()
        made = loop.sock_recv(ours, 100)
        made.send(None)
        made.close()


@operation(cycles=20)
async def plain_datagrams(setting: Setting) -> None:
    loop = setting.loop
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs,
    ):
        for sock in (ours, theirs):
            sock.setblocking(False)
            sock.bind(("127.0.0.1", 0))
        waiting = asyncio.ensure_future(loop.sock_recvfrom(ours, 100))
        await turns(2)
        await loop.sock_sendto(theirs, b"data", ours.getsockname())
        assert await waiting == (b"data", theirs.getsockname())
        await loop.sock_sendto(theirs, b"data", ours.getsockname())
        assert (await loop.sock_recvfrom_into(ours, bytearray(10)))[0] == 4
        await cancelled_after(2, loop.sock_recvfrom(ours, 100))
        await cancelled_after(2, loop.sock_recvfrom_into(ours, bytearray(10)))


@operation(cycles=20)
async def connecting_sockets(setting: Setting) -> None:
    loop = setting.loop
    with socket.socket() as listener, socket.socket() as client, socket.socket() as refused:
        for sock in (listener, client, refused):
            sock.setblocking(False)
        listener.bind(("127.0.0.1", 0))
        address = listener.getsockname()
        with contextlib.suppress(ConnectionRefusedError):
            await loop.sock_connect(refused, address)
        listener.listen()
        await cancelled_after(2, loop.sock_accept(listener))
        accepting = asyncio.ensure_future(loop.sock_accept(listener))
        await loop.sock_connect(client, address)
        (await accepting)[0].close()


@operation(cycles=20)
async def cancelled_connecting(setting: Setting) -> None:
    """To a listener whose queue is full."""
    path = str(setting.directory / "full")
    with socket.socket(socket.AF_UNIX) as listener, contextlib.ExitStack() as stack:
        listener.bind(path)
        listener.listen(0)
        clients = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(2)]
        for client in clients:
            client.setblocking(False)
        await setting.loop.sock_connect(clients[0], path)
        with contextlib.suppress(BlockingIOError, TimeoutError):
            async with asyncio.timeout(0):
                await setting.loop.sock_connect(clients[1], path)
    os.unlink(path)


@operation(cycles=20)
async def lookups(setting: Setting) -> None:
    loop = setting.loop
    await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
    await loop.getaddrinfo("::1", "http")
    await loop.getaddrinfo(None, 80, flags=socket.AI_PASSIVE)
    await loop.getaddrinfo("localhost", 80)
    await loop.getnameinfo(("127.0.0.1", 80), socket.NI_NUMERICHOST | socket.NI_NUMERICSERV)


@operation(cycles=20)
async def failing_lookups(setting: Setting) -> None:
    loop: Any = setting.loop
    for host, port in (("not a number", 80), ("127.0.0.1", "no such service")):
        with contextlib.suppress(socket.gaierror):
            await loop.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST)
    with contextlib.suppress(TypeError, socket.gaierror):
        await loop.getaddrinfo(5, 80)
    with contextlib.suppress(socket.gaierror):
        await loop.getnameinfo(("not a number", 80), socket.NI_NUMERICHOST)
    await cancelled_after(1, loop.getaddrinfo("localhost", 80))
    await loop.getaddrinfo("localhost", 80)
