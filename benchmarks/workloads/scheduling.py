"""Callbacks: call_soon with and without arguments, one a turn, and from other threads."""

from __future__ import annotations

import asyncio
import socket
import threading
from itertools import repeat

from harness.rows import Batch, in_process

POSITION = 10


def nothing(*_: object) -> None:
    """What the callbacks do."""


@in_process("call_soon", "call_soon, 200,000 pending")
def call_soon(loop: asyncio.AbstractEventLoop) -> Batch:
    """Many callbacks wait in the queue before the first one runs."""
    count = 200_000

    def fill() -> None:
        schedule = loop.call_soon
        for _ in repeat(None, count):
            schedule(nothing)
        schedule(loop.stop)

    def batch() -> int:
        loop.call_soon(fill)
        loop.run_forever()
        return count

    return batch


@in_process("call_soon_args", "call_soon with three arguments")
def call_soon_args(loop: asyncio.AbstractEventLoop) -> Batch:
    """The same with arguments for the callback."""
    count = 200_000

    def fill() -> None:
        schedule = loop.call_soon
        for _ in repeat(None, count):
            schedule(nothing, 1, 2, 3)
        schedule(loop.stop)

    def batch() -> int:
        loop.call_soon(fill)
        loop.run_forever()
        return count

    return batch


def chain(loop: asyncio.AbstractEventLoop, count: int) -> Batch:
    """A callback that schedules itself, so that each turn of the loop runs one."""
    left = 0

    def step() -> None:
        nonlocal left
        left -= 1
        if left:
            loop.call_soon(step)
        else:
            loop.stop()

    def batch() -> int:
        nonlocal left
        left = count
        loop.call_soon(step)
        loop.run_forever()
        return count

    return batch


@in_process("one_a_turn", "one callback a turn")
def one_a_turn(loop: asyncio.AbstractEventLoop) -> Batch:
    """What a turn of the loop costs."""
    return chain(loop, 100_000)


@in_process("one_a_turn_watched", "one callback a turn, a socket watched")
def one_a_turn_watched(loop: asyncio.AbstractEventLoop) -> Batch:
    """What a turn costs when the loop has a descriptor to look after."""
    ours, theirs = socket.socketpair()
    loop.add_reader(ours.fileno(), theirs.close)
    turns = chain(loop, 100_000)

    def batch() -> int:
        assert ours.fileno() >= 0
        return turns()

    return batch


@in_process("threadsafe", "call_soon_threadsafe, burst")
def threadsafe(loop: asyncio.AbstractEventLoop) -> Batch:
    """A burst from the loop's own thread, so that nothing waits for the interpreter's lock."""
    count = 50_000

    def fill() -> None:
        schedule = loop.call_soon_threadsafe
        for _ in repeat(None, count):
            schedule(nothing)
        schedule(loop.stop)

    def batch() -> int:
        loop.call_soon(fill)
        loop.run_forever()
        return count

    return batch


@in_process("threadsafe_thread", "call_soon_threadsafe, other thread")
def threadsafe_thread(loop: asyncio.AbstractEventLoop) -> Batch:
    """A thread posts to a loop that sleeps, and the loop wakes."""
    count = 20_000
    keep_alive = loop.call_later(3600, nothing)

    def post() -> None:
        schedule = loop.call_soon_threadsafe
        for _ in repeat(None, count):
            schedule(nothing)
        schedule(loop.stop)

    def batch() -> int:
        poster = threading.Thread(target=post)
        loop.call_soon(poster.start)
        loop.run_forever()
        poster.join()
        assert not keep_alive.cancelled()
        return count

    return batch
