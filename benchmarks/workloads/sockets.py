"""The loop's methods for plain sockets: sock_recv and sock_sendall."""

from __future__ import annotations

import asyncio
import socket
from itertools import repeat

from harness.rows import Batch, Load, in_process, network

POSITION = 50


@in_process("sock_pingpong", "sock_recv/sock_sendall, a round trip")
def sock_pingpong(loop: asyncio.AbstractEventLoop) -> Batch:
    """Both ends of a pair of sockets on one loop."""
    count = 5_000
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)

    async def answer() -> None:
        for _ in repeat(None, count):
            await loop.sock_sendall(theirs, await loop.sock_recv(theirs, 1024))

    async def run() -> int:
        answering = asyncio.ensure_future(answer())
        for _ in repeat(None, count):
            await loop.sock_sendall(ours, b"ping")
            await loop.sock_recv(ours, 1024)
        await answering
        return count

    return lambda: loop.run_until_complete(run())


@network("sock_echo_1k_50", "sock_* echo, 1 KiB x 50", Load(50, 1024, 1024))
async def sock_echo(listener: socket.socket) -> object:
    """Accepts and answers with nothing but sock_* calls."""
    loop = asyncio.get_running_loop()
    clients: set[asyncio.Task[None]] = set()

    async def answer(connection: socket.socket) -> None:
        with connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := await loop.sock_recv(connection, 65536):
                await loop.sock_sendall(connection, data)

    async def accept() -> None:
        while True:
            connection, _ = await loop.sock_accept(listener)
            connection.setblocking(False)
            task = loop.create_task(answer(connection))
            clients.add(task)
            task.add_done_callback(clients.discard)

    return loop.create_task(accept())
