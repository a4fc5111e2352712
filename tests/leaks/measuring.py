"""What an operation leaves behind: native objects, descriptors, threads, children, memory."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import cxxloop
from tests.leaks.operation import Operation, Setting
from tests.support.loops import run, run_once
from tests.support.sanitizers import SANITIZED, resident

SETTLING_TURNS = 6
SECONDS_FOR_THREADS = 0.2
ROUNDS = 7
PER_CYCLE = 0.9
"""Of anything that is kept for each cycle a round must leave more than this."""
BETWEEN_COLLECTIONS = 20
"""Cycles of what only the collector frees; the memory of all that waits would count as kept."""
RESIDENT_PER_ROUND = 2 << 20
"""Bytes: far more than what one round may leave in the allocator's free memory."""

_total_references: Callable[[], int] | None = getattr(sys, "gettotalrefcount", None)
_PYTHON_COUNTS_BLOCKS = os.environ.get("PYTHONMALLOC", "") in ("", "pymalloc", "debug")


def exact_counts() -> dict[str, int]:
    """What is the same before and after a cycle, whatever ran."""
    counts = cxxloop.debug_counters()
    del counts["kept_handles"]
    counts["descriptors"] = len(os.listdir("/proc/self/fd"))
    return counts


def growing_counts() -> dict[str, int]:
    """What caches and pools let grow now and then, but not with each cycle."""
    counts = {"threads": threading.active_count(), "tracked objects": len(gc.get_objects())}
    if _PYTHON_COUNTS_BLOCKS:
        counts["memory blocks"] = sys.getallocatedblocks()
    if _total_references is not None:
        counts["references"] = _total_references()
    return counts


def grown(before: dict[str, int], after: dict[str, int], least: float = 0) -> dict[str, int]:
    """By how much which counts have grown, if by more than `least`."""
    return {
        name: after[name] - before[name] for name in before if after[name] - before[name] > least
    }


@contextlib.contextmanager
def collector_off(abandoning: bool) -> Iterator[None]:
    """Collects nothing by itself; what is abandoned on purpose may say so when it is."""
    gc.collect()
    gc.disable()
    try:
        with warnings.catch_warnings():
            if abandoning:
                warnings.simplefilter("ignore", ResourceWarning)
            yield
    finally:
        gc.enable()


def settle(loop: asyncio.AbstractEventLoop, expected: dict[str, int] | None = None) -> None:
    """What was ended in the last cycle ends within a few turns; threads may take longer."""
    for _ in range(SETTLING_TURNS):
        run_once(loop)
    deadline = time.monotonic() + SECONDS_FOR_THREADS
    while expected is not None and grown(expected, exact_counts()):
        if time.monotonic() > deadline:
            break
        loop.run_until_complete(asyncio.sleep(0.001))


def run_cycles(operation: Operation, setting: Setting, count: int) -> None:
    for number in range(count):
        made: Any = operation.run(setting)
        if made is not None:
            run(setting.loop, made)
            del made
        if operation.needs_collector and number % BETWEEN_COLLECTIONS == 0:
            gc.collect()
    settle(setting.loop)
    assert bool(setting.reported) == operation.reports, setting.reported
    setting.reported.clear()


def leftovers(operation: Operation, setting: Setting, cycles: int) -> dict[str, dict[str, int]]:
    """What rounds of cycles with the collector off have left, by when; empty is well.

    Native objects and descriptors are the same after each. Other counts may grow until every
    cache is full; what leaks grows with every cycle, also when each round has twice as many.
    """
    with collector_off(abandoning=bool(operation.needs_collector)):
        run_cycles(operation, setting, 3)
        gc.collect()
        exact, memory = exact_counts(), resident()
        uncollected: dict[str, int] = {}
        for count in [cycles << power for power in range(ROUNDS)]:
            before = growing_counts()
            run_cycles(operation, setting, count)
            if not operation.needs_collector:
                settle(setting.loop, exact)
                uncollected = grown(exact, exact_counts())
            gc.collect()
            settle(setting.loop, exact)
            left = grown(exact, exact_counts())
            each = grown(before, growing_counts(), count * PER_CYCLE)
            if uncollected or left or not each:
                each = {}
                break
        if not SANITIZED and resident() - memory > RESIDENT_PER_ROUND * ROUNDS:
            left["resident bytes"] = resident() - memory
    found = {
        f"while the collector was off, after {count} cycles": uncollected,
        f"after {count} cycles and a collection": left,
        f"in each of {ROUNDS} rounds, the last of {count} cycles": each,
    }
    return {when: counts for when, counts in found.items() if counts}
