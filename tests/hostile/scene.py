"""The objects around one hostile call, and what can be said of them afterwards."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import gc
import io
import os
import socket
import tempfile
from collections.abc import Callable
from typing import Any

Loop = asyncio.AbstractEventLoop


class Scene:
    """A loop, and the sockets, files and loops that its victims are given.

    The Scene holds what callers would hold, so that a descriptor that is closed behind the back of
    its owner, or that nobody closes, can be told.
    """

    def __init__(self, new_loop: Callable[[], Loop]) -> None:
        self.new_loop = new_loop
        self.loop = new_loop()
        self.reported: list[str] = []
        self.loop.set_exception_handler(self._report)
        self.target: Any = None
        self._resources = contextlib.ExitStack()
        self._sockets: list[socket.socket] = []
        self._others: list[Loop] = []
        self._awaitables: list[Any] = []

    def _report(self, _: Loop, context: dict[str, Any]) -> None:
        exc = context.get("exception")
        keys = sorted(set(context) - {"source_traceback", "handle"})
        self.reported.append(f"{context['message']}: {type(exc).__name__} {keys}")

    # What values are made of

    def blocking(self) -> socket.socket:
        """A socket that isn't non-blocking, though nothing waits for it for long."""
        made = self.pair()[0]
        made.settimeout(0.001)
        return made

    def pair(self, *, blocking: bool = True) -> tuple[socket.socket, socket.socket]:
        ours, theirs = socket.socketpair()
        ours.setblocking(blocking)
        theirs.setblocking(blocking)
        self._sockets += [ours, theirs]
        return ours, theirs

    def new_socket(self, family: int, kind: int) -> socket.socket:
        made = socket.socket(family, kind)
        made.setblocking(False)
        self._sockets.append(made)
        return made

    def bound(self, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> socket.socket:
        made = self.new_socket(family, kind)
        made.bind(("127.0.0.1", 0) if family == socket.AF_INET else self.path())
        return made

    def listening(self) -> socket.socket:
        made = self.bound()
        made.listen()
        return made

    def connected(self) -> socket.socket:
        """A TCP client; its peer waits in the listener's backlog."""
        made = self.new_socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(True)
        made.connect(self.listening().getsockname())
        made.setblocking(False)
        return made

    def closed_socket(self) -> socket.socket:
        made = socket.socket()
        made.close()
        return made

    def detached_socket(self) -> socket.socket:
        made = socket.socket()
        os.close(made.detach())
        return made

    def pipe(self) -> tuple[Any, Any]:
        read_end, write_end = os.pipe2(os.O_NONBLOCK)
        reader = self._resources.enter_context(open(read_end, "rb", 0))  # noqa: SIM115
        writer = self._resources.enter_context(open(write_end, "wb", 0))  # noqa: SIM115
        return reader, writer

    def file(self, content: bytes = b"content" * 100) -> Any:
        made = self._resources.enter_context(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115
        made.write(content)
        made.seek(0)
        return made

    def text_file(self) -> Any:
        return io.TextIOWrapper(self.file())

    def closed_file(self) -> Any:
        made = self.file()
        made.close()
        return made

    def transport(self) -> Any:
        """A transport of the loop, which is about to start."""
        make: Any = self.loop
        return make._make_socket_transport(self.pair(blocking=False)[0], asyncio.Protocol())

    def path(self) -> str:
        """A name for a Unix socket that nobody uses."""
        folder = self._resources.enter_context(tempfile.TemporaryDirectory(prefix="h"))
        return os.path.join(folder, "socket")

    def fd(self) -> int:
        return self.pair(blocking=False)[0].fileno()

    @property
    def other(self) -> Loop:
        if not self._others:
            self._others.append(self.new_loop())
        return self._others[0]

    def closed_loop(self) -> Loop:
        made = self.new_loop()
        made.close()
        return made

    def foreign_transport(self) -> Any:
        """An open transport of another loop, which does not run."""
        made = self.new_loop()
        self._others.append(made)
        ours, _ = self.pair(blocking=False)

        async def main() -> Any:
            return await made.create_unix_connection(asyncio.Protocol, sock=ours)

        # A thread may run one loop and one task at a time.
        with concurrent.futures.ThreadPoolExecutor(1) as thread:
            transport, _ = thread.submit(made.run_until_complete, main()).result()
        self._resources.callback(transport.abort)
        return transport

    async def coroutine_function(self, *_: Any) -> None:
        pass

    def coroutine(self) -> Any:
        made = self.coroutine_function()
        self._awaitables.append(made)
        return made

    def started_coroutine(self) -> Any:
        async def waiting() -> None:
            await asyncio.sleep(0)

        made = waiting()
        made.send(None)
        self._awaitables.append(made)
        return made

    # What a hostile value does in the middle of a call

    def strike(self) -> None:
        """Closes everything that can be closed while it is in use."""
        for sock in self._sockets:
            sock.close()
        abort = getattr(self.target, "abort", None) or getattr(self.target, "close", None)
        if abort is not None and self.target is not self.loop:
            abort()
        if not self.loop.is_running():
            self.loop.close()
        gc.collect(0)

    # Afterwards

    def sockets(self) -> list[str]:
        """How the sockets are, from their owner's point of view."""
        told = []
        for sock in self._sockets:
            fd = sock.fileno()
            if fd < 0:
                told.append("closed")
                continue
            try:
                told.append("open" if os.fstat(fd) and sock.type else "")
            except OSError as exc:
                told.append(str(exc))
        return told

    def close(self) -> None:
        for awaitable in self._awaitables:
            with contextlib.suppress(RuntimeError, ValueError):
                awaitable.close()
        self._resources.close()
        for sock in self._sockets:
            sock.close()
        for loop in (self.loop, *self._others):
            end_of(loop)


def end_of(loop: Loop) -> None:
    """Ends what is left of a loop, however it was treated."""
    if loop.is_closed():
        return
    for _ in range(3):
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.call_soon(loop.stop)
        loop.run_forever()
    loop.close()
