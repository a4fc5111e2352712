"""Cancelling at every await of what starts, feeds and waits for a child."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.support.children import PIPE, descriptors
from tests.support.loops import Failures, run

Loop = asyncio.AbstractEventLoop
ENOUGH_TURNS = 40


async def start_only() -> None:
    child = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE, stderr=PIPE)
    try:
        await child.communicate(b"x")
    except BaseException:
        await end(child)
        raise


async def start_without_pipes() -> None:
    child = await asyncio.create_subprocess_exec("sleep", "0.01")
    try:
        await child.wait()
    except BaseException:
        await end(child)
        raise


async def start_in_shell() -> None:
    child = await asyncio.create_subprocess_shell("cat; exec sleep 0.01", stdin=PIPE, stdout=PIPE)
    try:
        await child.communicate(bytes(1 << 17))
    except BaseException:
        await end(child)
        raise


async def end(child: asyncio.subprocess.Process) -> None:
    """What a program does with a child that it has but doesn't want any more."""
    child._transport.close()  # type: ignore[attr-defined]
    await child.wait()
    if child.stdin is not None:  # Until 3.11.4 asyncio logs what nobody has waited for.
        with contextlib.suppress(BrokenPipeError):
            await child.stdin.wait_closed()


@pytest.mark.parametrize("job", [start_only, start_without_pipes, start_in_shell])
def test_cancelling_at_any_turn_leaves_no_child_and_no_descriptor(
    any_loop: Loop, job: Callable[[], Coroutine[Any, Any, None]]
) -> None:
    if job is start_in_shell and isinstance(any_loop, asyncio.SelectorEventLoop):
        pytest.skip("asyncio waits for ever where the child's child has the pipes")
    failures = Failures(any_loop)

    async def main() -> int:
        before = descriptors()
        cancelled = 0
        for turns in range(ENOUGH_TURNS):
            task = asyncio.ensure_future(job())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            assert outcome is None or isinstance(outcome, asyncio.CancelledError)
            cancelled += outcome is not None
            await until_gone(before)
        return cancelled

    async def until_gone(before: set[str]) -> None:
        """Transports close their pipes a turn after they are told to."""
        async with asyncio.timeout(10):
            while True:
                try:
                    os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                except ChildProcessError:
                    if descriptors() == before:
                        return
                await asyncio.sleep(0)

    assert run(any_loop, main()) >= 5
    assert failures.contexts == []


def test_start_that_is_cancelled_kills_the_child(any_loop: Loop) -> None:
    async def main() -> None:
        starting = asyncio.ensure_future(asyncio.create_subprocess_exec("sleep", "3600"))
        await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        with pytest.raises(ChildProcessError):
            os.waitpid(-1, os.WNOHANG)

    run(any_loop, main())


def test_timeout_of_communicate_leaves_the_child_alone(any_loop: Loop) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        assert child.stdin is not None
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await child.wait()
        assert child.returncode is None
        assert await child.communicate(b"still here") == (b"still here", None)
        assert await child.wait() == 0

    run(any_loop, main())
