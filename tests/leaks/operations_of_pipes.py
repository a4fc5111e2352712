"""Transports of pipes, and child processes."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import sys
import warnings
from typing import Any

from tests.leaks.operation import (
    ExpectedError,
    Setting,
    failing,
    failing_in,
    operation,
    turns,
)
from tests.support.children import NO_PIPES, PIPE, ChildRecorder, child_of
from tests.support.pipes import fill, plain, reader, writer
from tests.support.protocols import Recorder

CYCLES = 5
TRUE = "true"
CAT = "cat"


@operation()
async def reading_pipes(setting: Setting) -> None:
    async with reader(setting.loop) as (recorder, transport, writing):
        os.write(writing, b"data")
        await recorder.until(lambda r: r.received)
        transport.pause_reading()
        transport.resume_reading()
        os.close(writing)
        await recorder.lost


@operation()
async def writing_pipes(setting: Setting) -> None:
    for end in ("close", "abort", "reader"):
        async with writer(setting.loop) as (recorder, transport, reading):
            transport.write(b"data")
            if end == "close":
                transport.close()
            else:
                await fill(transport)
                transport.write(bytearray(100))
                if end == "abort":
                    transport.abort()
                else:
                    os.close(reading)
            await recorder.lost


@operation(reports=True)
async def failing_protocols_of_pipes(setting: Setting) -> None:
    loop = setting.loop
    for method in ("connection_made", "data_received", "eof_received", "connection_lost"):
        reading, writing = os.pipe()
        with plain(writing):
            file = os.fdopen(reading, "rb", 0)
            transport, _ = await loop.connect_read_pipe(failing_in(asyncio.Protocol, method), file)
            os.write(writing, b"data")
            await turns(4)
            os.close(writing)
            await turns(4)
            transport.close()
            await turns(4)


@operation()
async def refused_pipes(setting: Setting) -> None:
    loop: Any = setting.loop
    for connect in (loop.connect_read_pipe, loop.connect_write_pipe):
        with open(os.devnull, "rb") as null, open(__file__, "rb") as regular:
            for protocol, file in ((asyncio.Protocol, regular), (failing, null)):
                with contextlib.suppress(ValueError, ExpectedError):
                    await connect(protocol, file)
            made = asyncio.ensure_future(connect(asyncio.Protocol, regular))
            made.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await made


@operation()
async def cancelled_pipes(setting: Setting) -> None:
    loop = setting.loop
    for steps in range(3):
        reading, writing = os.pipe()
        with plain(writing), os.fdopen(reading, "rb", 0) as file:
            made = asyncio.ensure_future(loop.connect_read_pipe(asyncio.Protocol, file))
            await turns(steps)
            made.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                (await made)[0].close()
            await turns(4)


@operation(needs_collector="a protocol and its transport refer to one another")
async def abandoned_pipes(setting: Setting) -> None:
    loop = setting.loop
    reading, writing = os.pipe()
    with plain(writing), warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        transport, protocol = await loop.connect_read_pipe(
            lambda: Recorder(loop), os.fdopen(reading, "rb", 0)
        )
        transport.pause_reading()
        del transport, protocol


@operation(cycles=CYCLES)
async def children(setting: Setting) -> None:
    loop = setting.loop
    async with child_of(loop, CAT) as (transport, protocol):
        transport.get_pipe_transport(0).write(b"data")
        transport.get_pipe_transport(0).close()
        await protocol.lost
    async with child_of(loop, TRUE, **NO_PIPES) as (_, protocol):
        await protocol.lost


@operation(cycles=CYCLES, needs_collector="asyncio's readers and the pipes' transports are a cycle")
async def communicating_children(setting: Setting) -> None:
    child = await asyncio.create_subprocess_shell(CAT, stdin=PIPE, stdout=PIPE)
    output, _ = await child.communicate(bytes(200_000))
    assert output == bytes(200_000)
    child = await asyncio.create_subprocess_exec(TRUE)
    assert await child.wait() == 0


@operation(cycles=CYCLES)
async def children_that_are_ended(setting: Setting) -> None:
    for end in ("kill", "terminate", "close"):
        async with child_of(setting.loop, CAT) as (transport, protocol):
            transport.get_pipe_transport(0).write(bytes(1 << 18))
            getattr(transport, end)()
            await protocol.lost


@operation(cycles=CYCLES)
async def children_that_cannot_start(setting: Setting) -> None:
    loop: Any = setting.loop
    for command, options in (
        (("no such program",), {}),
        (("nul\0",), {}),
        ((TRUE,), {"cwd": "/no such directory"}),
        ((TRUE,), {"text": True}),
        ((TRUE,), {"no_such_option": 1}),
    ):
        with contextlib.suppress(OSError, ValueError, TypeError):
            await loop.subprocess_exec(asyncio.SubprocessProtocol, *command, **options)
    with contextlib.suppress(ExpectedError):
        await loop.subprocess_exec(failing, TRUE)
    with contextlib.suppress(ValueError):
        await loop.subprocess_shell(asyncio.SubprocessProtocol, 5)


@operation(cycles=CYCLES, reports=True)
async def failing_protocols_of_children(setting: Setting) -> None:
    loop = setting.loop
    for method in ("process_exited", "pipe_connection_lost"):
        transport, protocol = await loop.subprocess_exec(
            functools.partial(failing_in(ChildRecorder, method), loop), TRUE
        )
        await protocol.lost
        transport.close()


@operation(cycles=CYCLES)
async def cancelled_children(setting: Setting) -> None:
    loop = setting.loop
    for steps in range(5):
        made = asyncio.ensure_future(loop.subprocess_exec(lambda: ChildRecorder(loop), CAT))
        await turns(steps)
        made.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            transport, protocol = await made
            transport.close()
            await protocol.lost


if sys.platform == "linux":

    @operation(cycles=CYCLES, needs_collector="asyncio's process and its protocol are a cycle")
    async def abandoned_children(setting: Setting) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            child = await asyncio.create_subprocess_exec(TRUE)
            await child.wait()
            del child
