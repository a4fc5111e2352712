"""Children by the thousand, in several loops, while other things happen."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import pytest

import cxxloop
from tests.support.children import PIPE, descriptors, output_of
from tests.support.loops import close_loop, run

Loop = asyncio.AbstractEventLoop


def no_children() -> bool:
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


async def spawn_many(count: int, workers: int) -> None:
    """Children that end with many different codes; `workers` are under way at a time."""
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            child = await asyncio.create_subprocess_exec("/bin/sh", "-c", f"exit {number % 256}")
            assert await child.wait() == number % 256

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())


# Together more than a thousand; each part is quick.
@pytest.mark.parametrize("part", range(8))
def test_many_children_leave_no_zombie(loop: Loop, part: int) -> None:
    async def main() -> None:
        before = descriptors()
        await spawn_many(130, 8)
        assert descriptors() == before
        assert no_children()

    run(loop, main())


def test_children_at_once_keep_their_output_apart(any_loop: Loop) -> None:
    async def main() -> None:
        outcomes = await asyncio.gather(
            *[output_of("/bin/sh", "-c", f"cat; echo {n}", stdin=b"%d " % n) for n in range(30)]
        )
        assert outcomes == [(0, b"%d %d\n" % (n, n)) for n in range(30)]

    run(any_loop, main())


def in_thread(work: Callable[[], Any]) -> Callable[[], None]:
    """Starts `work` in a thread; the answer waits for it and raises what it raised."""
    failures: list[BaseException] = []

    def body() -> None:
        try:
            work()
        except BaseException as exc:
            failures.append(exc)

    thread = threading.Thread(target=body)
    thread.start()

    def finish() -> None:
        thread.join(30)
        assert not thread.is_alive()
        if failures:
            raise failures[0]

    return finish


def test_loops_in_several_threads_have_children_at_once() -> None:
    def work() -> None:
        loop = cxxloop.Loop()
        try:
            run(loop, spawn_many(20, 4))
        finally:
            close_loop(loop)

    for finish in [in_thread(work) for _ in range(3)]:
        finish()
    assert no_children()


def test_loop_that_closes_leaves_the_children_of_another_alone() -> None:
    """zuvloop#62"""
    started, closed = threading.Event(), threading.Event()

    async def main() -> None:
        child = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        started.set()
        await asyncio.to_thread(closed.wait, 20)
        assert await child.communicate(b"x") == (b"x", None)
        assert child.returncode == 0

    def work() -> None:
        loop = cxxloop.Loop()
        try:
            run(loop, main())
        finally:
            close_loop(loop)

    finish = in_thread(work)
    other = cxxloop.Loop()
    try:
        assert started.wait(20)
        run(other, spawn_many(3, 3))
    finally:
        close_loop(other)
        closed.set()
    finish()


def test_handler_of_sigchld_is_the_programs(any_loop: Loop) -> None:
    """uvloop#409, uvloop#156"""

    async def main() -> None:
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL
        told = asyncio.Event()
        any_loop.add_signal_handler(signal.SIGCHLD, told.set)
        try:
            children = [await asyncio.create_subprocess_shell(f"exit {n}") for n in (1, 2)]
            assert [await child.wait() for child in children] == [1, 2]
            await told.wait()
        finally:
            any_loop.remove_signal_handler(signal.SIGCHLD)
        assert signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL

    run(any_loop, main())


def test_signals_while_spawning_lose_nothing(any_loop: Loop) -> None:
    async def main() -> None:
        received = []
        any_loop.add_signal_handler(signal.SIGUSR1, received.append, None)
        try:
            for _ in range(10):
                count = len(received)
                child = await asyncio.create_subprocess_exec(
                    "/bin/sh", "-c", f"kill -USR1 {os.getpid()}"
                )
                assert await child.wait() == 0
                while len(received) == count:
                    await asyncio.sleep(0)
        finally:
            any_loop.remove_signal_handler(signal.SIGUSR1)
        assert len(received) == 10

    run(any_loop, main())


def test_child_does_not_have_our_signal_handlers_or_mask(any_loop: Loop) -> None:
    async def main() -> None:
        any_loop.add_signal_handler(signal.SIGUSR1, lambda: None)
        try:
            _, status = await output_of("grep", "^Sig[BI]", "/proc/self/status")
        finally:
            any_loop.remove_signal_handler(signal.SIGUSR1)
        expected = subprocess.run(["grep", "^Sig[BI]", "/proc/self/status"], capture_output=True)
        assert status == expected.stdout

    run(any_loop, main())


def test_children_of_others_are_not_reaped(any_loop: Loop) -> None:
    async def main() -> None:
        theirs = subprocess.Popen(["/bin/sh", "-c", "exit 9"])
        await spawn_many(5, 2)
        assert theirs.wait() == 9

    run(any_loop, main())


def test_loop_works_in_a_thread_that_is_not_the_main_one(any_loop: Loop) -> None:
    finish = in_thread(lambda: run(any_loop, spawn_many(2, 2)))
    finish()
