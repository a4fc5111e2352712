"""What one turn of the loop does to others that wait: I/O, timers, the processor."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from tests.support.loops import run

Loop = asyncio.AbstractEventLoop


def test_response_leaves_before_many_requests_behind_it_are_handled(any_loop: Loop) -> None:
    """uvloop#123"""

    async def main() -> None:
        pairs = [socket.socketpair() for _ in range(10)]
        arrived: list[int] = []

        class Handler(asyncio.Protocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def data_received(self, data: bytes) -> None:
                time.sleep(0.005)
                # Whose responses are there before this one is written?
                arrived.append(sum(readable(theirs) for _, theirs in pairs))
                self.transport.write(data)

        transports = [
            (await any_loop.create_unix_connection(Handler, sock=ours))[0] for ours, _ in pairs
        ]
        for _, theirs in pairs:
            theirs.send(b"request")
        while len(arrived) < 10:
            await asyncio.sleep(0)
        for transport in transports:
            transport.close()
        await asyncio.sleep(0)
        for _, theirs in pairs:
            theirs.close()
        # At most the one before it is still to be sent.
        assert all(count >= place - 1 for place, count in enumerate(arrived)), arrived

    def readable(sock: socket.socket) -> bool:
        try:
            return bool(sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
        except BlockingIOError:
            return False

    run(any_loop, main())


def test_timers_far_ahead_cost_nothing_while_the_loop_waits(any_loop: Loop) -> None:
    """J-M-PUNK/tideway#320"""

    async def main() -> float:
        def again(delay: float) -> None:
            timers.append(any_loop.call_later(delay, again, delay))

        timers: list[asyncio.TimerHandle] = []
        for i in range(20):
            again(3600.0 + i)
        began = resource.getrusage(resource.RUSAGE_THREAD)
        await asyncio.sleep(0.3)
        ended = resource.getrusage(resource.RUSAGE_THREAD)
        for timer in timers:
            timer.cancel()
        return ended.ru_nvcsw + ended.ru_nivcsw - began.ru_nvcsw - began.ru_nivcsw

    # A loop that looked after them would have been switched to at each look.
    assert run(any_loop, main()) < 100


@pytest.mark.skipif(sys.version_info < (3, 14), reason="from 3.14 on such handles are locked")
def test_cancelling_from_another_thread_waits_for_the_callback(any_loop: Loop) -> None:
    """zuvloop#42"""
    running, may_end = threading.Event(), threading.Event()
    ended: list[str] = []
    cancelling = threading.Event()

    def callback() -> None:
        running.set()
        assert may_end.wait(10)
        ended.append("callback")

    def cancel(handle: asyncio.Handle) -> None:
        assert running.wait(10)
        cancelling.set()
        handle.cancel()
        ended.append("cancel")
        any_loop.call_soon_threadsafe(any_loop.stop)

    handle = any_loop.call_soon_threadsafe(callback)
    canceller = threading.Thread(target=cancel, args=(handle,))
    releaser = threading.Thread(target=lambda: (cancelling.wait(10), may_end.set()))
    canceller.start()
    releaser.start()
    any_loop.run_forever()
    canceller.join()
    releaser.join()
    assert ended == ["callback", "cancel"]


def test_a_thousand_simultaneous_connects_end_or_fail_one_by_one(any_loop: Loop) -> None:
    """uvloop#378"""

    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=8)
        listener.setblocking(False)

        async def connect() -> None:
            with socket.socket() as sock:
                sock.setblocking(False)
                await any_loop.sock_connect(sock, listener.getsockname())

        low, high = resource.getrlimit(resource.RLIMIT_NOFILE)
        count = min(1000, (low if low > 0 else high) // 2)
        tasks = [any_loop.create_task(connect()) for _ in range(count)]
        await asyncio.sleep(0)
        listener.close()
        _, pending = await asyncio.wait(tasks, timeout=0.2)
        for task in pending:
            task.cancel()
        await asyncio.wait(tasks)
        for task in tasks:
            assert (
                task.cancelled()
                or task.exception() is None
                or isinstance(task.exception(), OSError)
            )

    run(any_loop, main())


def test_new_loop_leaves_standard_descriptors_as_they_were(any_loop: Loop) -> None:
    """uvloop#40"""
    kind = "cxxloop" if type(any_loop).__module__.startswith("cxxloop") else "asyncio"
    code = f"""
import fcntl, subprocess
before = [fcntl.fcntl(fd, fcntl.F_GETFD) for fd in range(3)]
from tests.support.loops import LOOP_FACTORIES
loop = LOOP_FACTORIES[{kind!r}]()
assert [fcntl.fcntl(fd, fcntl.F_GETFD) for fd in range(3)] == before
subprocess.run(["echo", "hi"], check=True)
loop.close()
"""
    root = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))
    path = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert (done.stdout, done.stderr, done.returncode) == ("hi\n", "", 0)


def test_time_goes_on_while_a_callback_blocks(any_loop: Loop) -> None:
    """uvloop#29"""

    async def main() -> None:
        before = any_loop.time()
        time.sleep(0.05)
        assert any_loop.time() - before >= 0.05

    run(any_loop, main())
