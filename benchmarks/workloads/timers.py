"""Timers: schedule and cancel, fire, many pending, and how late a sleep ends."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from itertools import repeat

from harness.loops import new_loop
from harness.rows import Batch, in_process, probe

POSITION = 20


def nothing() -> None:
    """What the timers do."""


@in_process("timer_cancel", "timer: schedule + cancel")
def timer_cancel(loop: asyncio.AbstractEventLoop) -> Batch:
    """Time-outs that do not happen, a thousand in each turn."""
    turns, each = 50, 1000
    left = 0

    def step() -> None:
        nonlocal left
        schedule = loop.call_later
        for _ in repeat(None, each):
            schedule(60, nothing).cancel()
        left -= 1
        loop.call_soon(step if left else loop.stop)

    def batch() -> int:
        nonlocal left
        left = turns
        loop.call_soon(step)
        loop.run_forever()
        return turns * each

    return batch


@in_process("timer_fire", "timer: fire")
def timer_fire(loop: asyncio.AbstractEventLoop) -> Batch:
    """Timers of a millisecond; the first are due before the last is scheduled."""
    count = 100_000

    def fill() -> None:
        schedule = loop.call_later
        for _ in repeat(None, count):
            schedule(0.001, nothing)
        schedule(0.001, loop.stop)

    def batch() -> int:
        loop.call_soon(fill)
        loop.run_forever()
        return count

    return batch


@in_process("timer_pending", "timers with 100,000 pending")
def timer_pending(loop: asyncio.AbstractEventLoop) -> Batch:
    """Schedule and cancel, at all distances, among many others that wait."""
    turns, each = 50, 1000
    chance = random.Random(1)
    waiting = [loop.call_later(chance.uniform(1000, 2000), nothing) for _ in range(100_000)]
    delays = [chance.uniform(500, 2500) for _ in range(each)]
    left = 0

    def step() -> None:
        nonlocal left
        schedule = loop.call_later
        for delay in delays:
            schedule(delay, nothing).cancel()
        left -= 1
        loop.call_soon(step if left else loop.stop)

    def batch() -> int:
        nonlocal left
        left = turns
        loop.call_soon(step)
        loop.run_forever()
        assert not waiting[0].cancelled()
        return turns * each

    return batch


@probe("sleep_lateness", "sleep lateness", "us")
def sleep_lateness(loop_name: str) -> dict[str, float]:
    """How long after its time a sleep of one to four milliseconds ends.

    Sleeps that end before their time are left out of the median, and counted.
    """
    loop = new_loop(loop_name)
    chance = random.Random(1)

    async def sleeps() -> list[float]:
        late = []
        for delay in [chance.uniform(0.001, 0.004) for _ in range(200)]:
            start = time.perf_counter()
            await asyncio.sleep(delay)
            late.append((time.perf_counter() - start - delay) * 1e6)
        return late

    late = loop.run_until_complete(sleeps())
    return {
        "figure": statistics.median([value for value in late if value >= 0]),
        "late_max_us": max(late),
        "early_share": sum(value < 0 for value in late) / len(late),
    }
