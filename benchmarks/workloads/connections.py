"""Many connections: opened and closed, idle, and beside a thread that computes."""

from __future__ import annotations

import socket
import threading

from harness.rows import Load, network

from .protocols import Echo, listen

POSITION = 80


@network("connect", "connect, one round trip, close", Load(50, 64, 64, mode="connect"))
async def connect(listener: socket.socket) -> object:
    """What a connection costs from accept to connection_lost."""
    return await listen(Echo, listener)


@network(
    "idle_memory",
    "memory of an idle connection",
    Load(1000, 1024, 1024, mode="idle"),
    figure="bytes_per_connection",
)
async def idle_memory(listener: socket.socket) -> object:
    """Each connection has echoed once, so that its buffers are there."""
    return await listen(Echo, listener)


@network(
    "busy_thread_8",
    "beside a busy thread, echo, 1 KiB x 8",
    Load(8, 1024, 1024),
    figure="rate",
    pin_server=False,
    longer=4,
)
@network(
    "busy_thread_8_one_cpu",
    "busy thread, one processor, 1 KiB x 8",
    Load(8, 1024, 1024),
    figure="rate",
    longer=4,
)
@network(
    "busy_thread_8_pipelined",
    "busy thread, one processor, 16 at once",
    Load(8, 16 * 1024, 16 * 1024, messages=16),
    figure="rate",
    longer=4,
)
async def busy_thread(listener: socket.socket) -> object:
    """A thread that never waits competes for the interpreter's lock."""

    def compute() -> None:
        number = 0
        while True:
            number = (number * 1103515245 + 12345) % 2147483648

    threading.Thread(target=compute, daemon=True).start()
    return await listen(Echo, listener)
