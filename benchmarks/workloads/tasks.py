"""Coroutines on the loop: sleep(0), futures, tasks, queues, time-outs, whole runs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from itertools import repeat

from harness.rows import Batch, in_process

POSITION = 30


def repeated(loop: asyncio.AbstractEventLoop, work: type[Work]) -> Batch:
    """A batch that runs the work's coroutine to its end."""
    return lambda: loop.run_until_complete(work(loop).run())


async def nothing() -> None:
    """A coroutine that ends at once."""


class Work:
    """One coroutine to measure; run() returns how many operations it did."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def run(self) -> Coroutine[object, object, int]:
        """The coroutine."""
        raise NotImplementedError


class SleepZero(Work):
    """One task that lets others run, with no others there."""

    async def run(self) -> int:
        """Each is one turn of the loop."""
        count = 50_000
        sleep = asyncio.sleep
        for _ in repeat(None, count):
            await sleep(0)
        return count


class SleepZeroMany(Work):
    """A hundred tasks that let each other run."""

    async def run(self) -> int:
        """Each turn of the loop runs a hundred steps."""
        tasks, each = 100, 1000

        async def one() -> None:
            sleep = asyncio.sleep
            for _ in repeat(None, each):
                await sleep(0)

        await asyncio.gather(*[one() for _ in range(tasks)])
        return tasks * each


class Futures(Work):
    """A future that a callback of the next turn completes."""

    async def run(self) -> int:
        """Create, schedule its result, await."""
        count = 50_000
        loop = self.loop
        for _ in repeat(None, count):
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future
        return count


class Tasks(Work):
    """A task that ends at once."""

    async def run(self) -> int:
        """Create and await."""
        count = 50_000
        create_task = self.loop.create_task
        for _ in repeat(None, count):
            await create_task(nothing())
        return count


class Queues(Work):
    """A producer and a consumer with room for a hundred between them."""

    async def run(self) -> int:
        """Each operation is one item."""
        count = 100_000
        queue: asyncio.Queue[int] = asyncio.Queue(100)

        async def produce() -> None:
            for item in range(count):
                await queue.put(item)

        async def consume() -> None:
            for _ in range(count):
                await queue.get()

        await asyncio.gather(produce(), consume())
        return count


class WaitFor(Work):
    """A time-out around a wait that ends in the next turn."""

    async def run(self) -> int:
        """Each arms and cancels one timer."""
        count = 20_000
        for _ in repeat(None, count):
            await asyncio.wait_for(asyncio.sleep(0), 60)
        return count


@in_process("sleep0", "sleep(0), one task")
def sleep0(loop: asyncio.AbstractEventLoop) -> Batch:
    """See SleepZero."""
    return repeated(loop, SleepZero)


@in_process("sleep0_100", "sleep(0), 100 tasks")
def sleep0_100(loop: asyncio.AbstractEventLoop) -> Batch:
    """See SleepZeroMany."""
    return repeated(loop, SleepZeroMany)


@in_process("futures", "await a future")
def futures(loop: asyncio.AbstractEventLoop) -> Batch:
    """See Futures."""
    return repeated(loop, Futures)


@in_process("tasks", "create and await a task")
def tasks(loop: asyncio.AbstractEventLoop) -> Batch:
    """See Tasks."""
    return repeated(loop, Tasks)


@in_process("queue", "queue, an item")
def queue(loop: asyncio.AbstractEventLoop) -> Batch:
    """See Queues."""
    return repeated(loop, Queues)


@in_process("wait_for", "wait_for")
def wait_for(loop: asyncio.AbstractEventLoop) -> Batch:
    """See WaitFor."""
    return repeated(loop, WaitFor)


@in_process("run_until_complete", "run_until_complete of nothing")
def run_until_complete(loop: asyncio.AbstractEventLoop) -> Batch:
    """Starting and ending the loop."""
    count = 5_000

    def batch() -> int:
        run = loop.run_until_complete
        for _ in repeat(None, count):
            run(nothing())
        return count

    return batch
