"""Pipes whose ends are transports, and the plain ends to talk to them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import termios
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from tests.support.protocols import Recorder

Loop = asyncio.AbstractEventLoop
KINDS = ("pipe", "fifo", "socket", "pty")


def open_pty() -> tuple[int, int]:
    """A pseudo-terminal (ours, the program's) that passes bytes on as they are."""
    ours, theirs = os.openpty()
    mode = termios.tcgetattr(theirs)
    mode[0] = mode[1] = mode[3] = 0
    termios.tcsetattr(theirs, termios.TCSANOW, mode)
    return ours, theirs


def make_pipe(kind: str, directory: Path) -> tuple[int, int]:
    """(reading, writing) descriptors of something that a pipe's transport can be made of."""
    if kind == "pipe":
        return os.pipe()
    if kind == "fifo":
        path = directory / "fifo"
        os.mkfifo(path)
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        return reading, os.open(path, os.O_WRONLY)
    if kind == "socket":
        ours, theirs = socket.socketpair()
        return ours.detach(), theirs.detach()
    return open_pty()


@contextlib.contextmanager
def plain(fd: int) -> Iterator[int]:
    """Closes a descriptor at the end, unless that was done before."""
    try:
        yield fd
    finally:
        with contextlib.suppress(OSError):
            os.close(fd)


async def _until_closed(transport: Any) -> None:
    """The pipe is closed a turn after connection_lost() is due."""
    transport.close()
    while transport._pipe is not None:
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def reading_from(
    loop: Loop, protocol: asyncio.BaseProtocol, fd: int
) -> AsyncIterator[asyncio.ReadTransport]:
    """A transport that reads from a descriptor, which it closes."""
    transport, _ = await loop.connect_read_pipe(lambda: protocol, os.fdopen(fd, "rb", 0))
    try:
        yield transport
    finally:
        await _until_closed(transport)


@contextlib.asynccontextmanager
async def writing_to(
    loop: Loop, protocol: asyncio.BaseProtocol, fd: int
) -> AsyncIterator[asyncio.WriteTransport]:
    """A transport that writes to a descriptor, which it closes."""
    transport, _ = await loop.connect_write_pipe(lambda: protocol, os.fdopen(fd, "wb", 0))
    try:
        yield transport
    finally:
        if transport.get_write_buffer_size() and transport._pipe is not None:  # type: ignore[attr-defined]
            transport.abort()
        await _until_closed(transport)


@contextlib.asynccontextmanager
async def reader(loop: Loop) -> AsyncIterator[tuple[Recorder, asyncio.ReadTransport, int]]:
    """A recorder, its transport on a pipe's reading end, and the plain writing end."""
    reading, writing = os.pipe()
    recorder = Recorder(loop)
    with plain(writing):
        async with reading_from(loop, recorder, reading) as transport:
            yield recorder, transport, writing


@contextlib.asynccontextmanager
async def writer(loop: Loop) -> AsyncIterator[tuple[Recorder, asyncio.WriteTransport, int]]:
    """A recorder, its transport on a pipe's writing end, and the plain reading end."""
    reading, writing = os.pipe()
    recorder = Recorder(loop)
    with plain(reading):
        async with writing_to(loop, recorder, writing) as transport:
            yield recorder, transport, reading


async def fill(transport: asyncio.WriteTransport) -> int:
    """Writes until the pipe is full and something waits; how many bytes that took."""
    written = 0
    while not transport.get_write_buffer_size():
        transport.write(bytes(4096))
        written += 4096
    return written


async def read_to_the_end(loop: Loop, fd: int) -> bytes:
    """Everything that comes out of a plain descriptor."""
    return await loop.run_in_executor(None, _read_all, fd)


def _read_all(fd: int) -> bytes:
    os.set_blocking(fd, True)
    received = bytearray()
    while data := os.read(fd, 1 << 16):
        received += data
    return bytes(received)
