"""At the limit of recursion a call succeeds or raises RecursionError, and does nothing by half."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.lifecycle.interpreters import FACTORIES, interpret_script
from tests.support.loops import Failures, run, run_once
from tests.support.protocols import Recorder

Loop = asyncio.AbstractEventLoop


def at_every_depth(call: Callable[[], object]) -> int:
    """Calls at each depth down to the limit; how often it succeeded."""
    succeeded = 0

    def descend() -> None:
        nonlocal succeeded
        with contextlib.suppress(RecursionError):
            descend()
        call()
        succeeded += 1

    descend()
    assert succeeded > 100
    return succeeded


@pytest.mark.parametrize("method", ["call_soon", "call_soon_threadsafe", "call_later", "call_at"])
def test_what_could_be_scheduled_is_called(any_loop: Loop, method: str) -> None:
    called: list[int] = []
    arguments = (0,) if method in ("call_later", "call_at") else ()
    schedule = getattr(any_loop, method)
    succeeded = at_every_depth(lambda: schedule(*arguments, called.append, 1))
    for _ in range(3):
        run_once(any_loop)
    assert len(called) == succeeded


def test_tasks_that_could_be_made_run(loop: Loop) -> None:
    """On asyncio's loop call_soon() may fail in the middle of a task's birth."""
    tasks: list[asyncio.Task[None]] = []

    async def step() -> None: ...

    def create() -> None:
        coroutine = step()
        try:
            tasks.append(loop.create_task(coroutine))
        except RecursionError:
            coroutine.close()
            raise

    at_every_depth(create)
    for _ in range(3):
        run_once(loop)
    assert all(task.done() for task in tasks)


def test_watchers_that_could_be_added_are_called(loop: Loop) -> None:
    reading, writing = socket.socketpair()
    with reading, writing:
        called: list[int] = []
        writing.send(b"data")
        at_every_depth(lambda: loop.add_reader(reading, called.append, 1))
        for _ in range(3):
            run_once(loop)
        assert called
        at_every_depth(lambda: loop.remove_reader(reading))
        assert not loop.remove_reader(reading)


def test_what_could_be_written_arrives(loop: Loop) -> None:
    ours, peer = socket.socketpair()
    with peer:
        peer.setblocking(False)

        async def main() -> None:
            transport, recorder = await loop.create_unix_connection(
                lambda: Recorder(loop), sock=ours
            )
            succeeded = at_every_depth(lambda: transport.write(b"a line\n"))
            received = b""
            while received.count(b"\n") < succeeded:
                received += await loop.sock_recv(peer, 1 << 16)
            # One more or two: sent before what followed was too deep.
            assert received == b"a line\n" * received.count(b"\n")
            transport.close()
            assert await recorder.lost is None

        run(loop, main())


@pytest.mark.parametrize("callback", ["data_received", "eof_received", "pause_writing"])
def test_a_callback_that_recurses_without_end_is_reported(any_loop: Loop, callback: str) -> None:
    failures = Failures(any_loop)

    class Endless(Recorder):
        def __init__(self, loop: Loop) -> None:
            super().__init__(loop)
            setattr(self, callback, self.endless)

        def endless(self, *arguments: Any) -> Any:
            return self.endless(*arguments)

    ours, peer = socket.socketpair()

    async def main() -> None:
        transport, recorder = await any_loop.create_unix_connection(
            lambda: Endless(any_loop), sock=ours
        )
        if callback == "pause_writing":
            transport.write(bytes(1 << 22))
            transport.abort()
        else:
            peer.send(b"data")
            peer.shutdown(socket.SHUT_WR)
        await recorder.lost

    with peer:
        run(any_loop, main())
    assert [type(context["exception"]) for context in failures.contexts] == [RecursionError]


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES.keys())
@pytest.mark.parametrize(
    "schedule", ["loop.call_soon(print, last)", "loop.call_later(99, print, last)"]
)
def test_the_end_of_a_long_chain_of_handles_needs_no_deep_stack(
    factory: str, schedule: str
) -> None:
    """As made by a timer whose callback is told its predecessor."""
    ended = interpret_script(
        f"""
        loop = {factory}()
        last = None
        for number in range(200_000):
            last = {schedule}
        loop.close()
        last = None
        print("the end")
        """
    )
    assert ended.status == 0, ended
    assert ended.out == "the end\n"
