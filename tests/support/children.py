"""Child processes and protocols that record what a loop tells of them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

Loop = asyncio.AbstractEventLoop
PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL
NO_PIPES: dict[str, Any] = {"stdin": None, "stdout": None, "stderr": None}


class ChildRecorder(asyncio.SubprocessProtocol):
    """Records each call; a future tells of the end."""

    def __init__(self, loop: Loop) -> None:
        self.calls: list[Any] = []
        self.received: dict[int, bytearray] = {1: bytearray(), 2: bytearray()}
        self.transport: Any = None
        self.lost: asyncio.Future[Exception | None] = loop.create_future()
        self._changed = asyncio.Event()

    def _note(self, call: Any) -> None:
        self.calls.append(call)
        self._changed.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._note("connection_made")

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.received[fd] += data
        self._note(("pipe_data_received", fd))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self._note(("pipe_connection_lost", fd, type(exc)))

    def process_exited(self) -> None:
        self._note("process_exited")

    def connection_lost(self, exc: Exception | None) -> None:
        self._note("connection_lost")
        self.lost.set_result(exc)

    async def until(self, condition: Callable[[ChildRecorder], Any]) -> None:
        """Waits until condition(self) holds; looks again after each call."""
        while not condition(self):
            self._changed.clear()
            await self._changed.wait()


@contextlib.asynccontextmanager
async def child_of(
    loop: Loop, *command: str, **options: Any
) -> AsyncIterator[tuple[Any, ChildRecorder]]:
    """A child with its recorder, gone and told of in the end."""
    transport, protocol = await loop.subprocess_exec(
        lambda: ChildRecorder(loop), *command, **options
    )
    assert isinstance(protocol, ChildRecorder)
    try:
        yield transport, protocol
    finally:
        transport.close()
        await protocol.lost


async def output_of(*command: Any, stdin: bytes = b"", **options: Any) -> tuple[int, bytes]:
    """(returncode, stdout and stderr) of a program."""
    child = await asyncio.create_subprocess_exec(
        *command, stdin=PIPE, stdout=PIPE, stderr=subprocess.STDOUT, **options
    )
    output, _ = await child.communicate(stdin)
    assert child.returncode is not None
    return child.returncode, output


def python(code: str) -> tuple[str, ...]:
    """The command line of a small Python program."""
    return (sys.executable, "-ISc", code)


def descriptors() -> set[str]:
    """What this process has open, but for the directory that is read to learn it."""
    return {fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}")}
