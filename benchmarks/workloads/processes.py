"""Child processes: how fast they are made, and how fast their output comes."""

from __future__ import annotations

import asyncio
import subprocess
from itertools import repeat

from harness.rows import Batch, in_process

POSITION = 60
MEBIBYTE = 1 << 20
TOTAL = 256 * MEBIBYTE

# In large blocks, so that the pipe is what there is to wait for.
WRITER = ("/bin/dd", "if=/dev/zero", f"bs={MEBIBYTE}", f"count={TOTAL // MEBIBYTE}", "status=none")


@in_process("spawn", "spawn /bin/true and wait")
def spawn(loop: asyncio.AbstractEventLoop) -> Batch:
    """One child after the other, without pipes."""
    count = 100

    async def run() -> int:
        for _ in repeat(None, count):
            child = await asyncio.create_subprocess_exec("/bin/true")
            await child.wait()
        return count

    return lambda: loop.run_until_complete(run())


@in_process("communicate", "spawn cat and communicate()")
def communicate(loop: asyncio.AbstractEventLoop) -> Batch:
    """One child after the other, with pipes to it and from it."""
    count = 100

    async def run() -> int:
        for _ in repeat(None, count):
            child = await asyncio.create_subprocess_exec(
                "/bin/cat", stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            await child.communicate(b"hello")
        return count

    return lambda: loop.run_until_complete(run())


@in_process("child_pipe", "bytes from a child's pipe", unit="MiB/s")
def child_pipe(loop: asyncio.AbstractEventLoop) -> Batch:
    """A child that writes as fast as it can, read through its StreamReader."""

    async def run() -> int:
        child = await asyncio.create_subprocess_exec(*WRITER, stdout=subprocess.PIPE)
        assert child.stdout is not None
        received = 0
        while data := await child.stdout.read(MEBIBYTE):
            received += len(data)
        assert received == TOTAL
        await child.wait()
        return TOTAL // MEBIBYTE

    return lambda: loop.run_until_complete(run())


@in_process("child_protocol", "bytes from a child's pipe, to a protocol", unit="MiB/s")
def child_protocol(loop: asyncio.AbstractEventLoop) -> Batch:
    """The same without the stream between transport and program."""

    class Counter(asyncio.SubprocessProtocol):
        def __init__(self) -> None:
            self.received = 0
            self.lost = loop.create_future()

        def pipe_data_received(self, fd: int, data: bytes) -> None:
            self.received += len(data)

        def connection_lost(self, exc: Exception | None) -> None:
            self.lost.set_result(None)

    async def run() -> int:
        transport, protocol = await loop.subprocess_exec(
            Counter, *WRITER, stdin=None, stdout=subprocess.PIPE, stderr=None
        )
        await protocol.lost
        transport.close()
        assert protocol.received == TOTAL
        return TOTAL // MEBIBYTE

    return lambda: loop.run_until_complete(run())
