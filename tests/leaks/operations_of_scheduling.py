"""Callbacks, timers, threads, tasks, signals, whole loops."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import signal
import threading
import warnings
from collections.abc import Callable
from typing import Any

import cxxloop
from tests.leaks.operation import (
    ExpectedError,
    Setting,
    cancelled_after,
    failing,
    operation,
    turns,
)


def nothing(*args: Any) -> None: ...


@operation(cycles=100)
def callbacks(setting: Setting) -> None:
    loop = setting.loop
    for count in range(6):
        loop.call_soon(nothing, *[object() for _ in range(count)])
    loop.call_soon(nothing, loop, context=contextvars.copy_context())
    loop.call_soon(nothing, object()).cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()


@operation(cycles=100)
async def kept_handles(setting: Setting) -> None:
    handle = setting.loop.call_soon(nothing, object())
    repr(handle)
    await turns(1)


@operation(cycles=50, reports=True)
async def failing_callbacks(setting: Setting) -> None:
    setting.loop.call_soon(failing)
    setting.loop.call_later(0, failing)
    await asyncio.sleep(0.0001)


@operation(cycles=100)
async def timers(setting: Setting) -> None:
    loop = setting.loop
    fired = loop.create_future()
    loop.call_later(0, nothing, object())
    loop.call_at(loop.time(), fired.set_result, None)
    await fired


@operation(cycles=100)
async def cancelled_timers(setting: Setting) -> None:
    loop = setting.loop
    timers = [loop.call_later(3600, nothing, object()) for _ in range(3)]
    loop.call_at(loop.time() + 3600, nothing).cancel()
    for timer in timers:
        timer.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(0):
            await loop.create_future()


@operation(cycles=100)
async def refused_calls(setting: Setting) -> None:
    loop: Any = setting.loop
    calls: list[Callable[[], Any]] = [
        lambda: loop.call_soon(nothing, wrong=1),
        lambda: loop.call_later("soon", nothing),
        lambda: loop.call_later(None, nothing),
        lambda: loop.call_soon(),
        lambda: loop.add_reader("none", nothing),
        lambda: loop.add_reader(-1, nothing),
        lambda: loop.call_exception_handler(1, 2),
        lambda: loop.set_task_factory(1),
    ]
    for call in calls:
        with contextlib.suppress(TypeError, ValueError):
            call()


@operation(cycles=50)
async def calls_from_threads(setting: Setting) -> None:
    loop = setting.loop
    called = asyncio.Event()
    loop.call_soon_threadsafe(nothing, object()).cancel()
    thread = threading.Thread(target=loop.call_soon_threadsafe, args=(called.set,))
    thread.start()
    await called.wait()
    thread.join()


@operation()
async def executor_jobs(setting: Setting) -> None:
    loop = setting.loop
    await loop.run_in_executor(None, nothing, object())
    with contextlib.suppress(ExpectedError):
        await loop.run_in_executor(None, failing)
    going_on = threading.Event()
    await cancelled_after(2, _job(loop, going_on))
    going_on.set()
    await loop.run_in_executor(None, nothing)


async def _job(loop: asyncio.AbstractEventLoop, event: threading.Event) -> None:
    await loop.run_in_executor(None, event.wait)


@operation(cycles=50)
async def tasks(setting: Setting) -> None:
    loop = setting.loop
    await loop.create_task(turns(2), name="two turns")
    await cancelled_after(2, _forever(loop))
    with contextlib.suppress(ExpectedError):
        await loop.create_task(_fail())
    loop.set_task_factory(lambda loop, coro, **options: asyncio.Task(coro, loop=loop, **options))
    await loop.create_task(turns(1))
    loop.set_task_factory(None)


async def _forever(loop: asyncio.AbstractEventLoop) -> None:
    await loop.create_future()


async def _fail() -> None:
    await turns(1)
    raise ExpectedError


@operation(needs_collector="asyncio's hooks find abandoned generators in a set of the loop")
async def abandoned_generators(setting: Setting) -> None:
    async def numbers() -> Any:
        yield 1
        yield 2

    async for _ in numbers():
        break
    await turns(3)


@operation()
async def signals(setting: Setting) -> None:
    caught = asyncio.Event()
    setting.loop.add_signal_handler(signal.SIGUSR1, caught.set)
    setting.loop.add_signal_handler(signal.SIGUSR1, caught.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await caught.wait()
    assert setting.loop.remove_signal_handler(signal.SIGUSR1)
    assert not setting.loop.remove_signal_handler(signal.SIGUSR1)
    for number in (signal.SIGKILL, 1000):
        with contextlib.suppress(RuntimeError, ValueError):
            setting.loop.add_signal_handler(number, nothing)


@operation()
def loops(setting: Setting) -> None:
    """Run and closed, closed with work left, closed twice."""
    loop = type(setting.loop)()
    loop.run_until_complete(turns(2))
    loop.close()
    loop = type(setting.loop)()
    loop.call_soon(nothing, object())
    loop.call_later(3600, nothing, object())
    loop.close()
    loop.close()


@operation(needs_collector="loops and their tasks, clocks and handles are cycles")
def abandoned_loops(setting: Setting) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        loop = type(setting.loop)()
        loop.call_soon(loop.stop)
        loop.call_later(3600, loop.stop)
        loop.run_forever()
        del loop


@operation(cycles=10)
def loops_in_threads(setting: Setting) -> None:
    def work() -> None:
        loop = type(setting.loop)()
        loop.run_until_complete(turns(2))
        loop.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@operation(cycles=10, needs_collector="asyncio.Runner and the loop's hooks are cycles")
def runs(setting: Setting) -> None:
    async def main() -> None:
        await asyncio.get_running_loop().run_in_executor(None, nothing)

    cxxloop.run(main())
