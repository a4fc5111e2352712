"""What was done, and what went wrong."""

from __future__ import annotations

import asyncio
import collections
import os
import threading
import time
from typing import Any

import cxxloop

WARM_UP = 0.3  # of the time; at least:
WARM_UP_SECONDS = 60  # Until then the allocator's arenas fill, on asyncio's loop too.
GROWTH = 0.10, 6 << 20  # of the resident memory that is allowed after it, and in bytes beside


def resident() -> int:
    """Bytes of this process's memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def native_counters() -> dict[str, int]:
    """Live objects of the extension, without the memory that it keeps for more of them."""
    counters = cxxloop.debug_counters()
    del counters["kept_handles"]
    return counters


class Tally:
    """Counts; may be used by several threads, since each step is atomic under the GIL."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.started = time.monotonic()
        self.counts: collections.Counter[str] = collections.Counter()
        self.faults: collections.Counter[str] = collections.Counter()
        self.bytes = 0
        self.memory: list[tuple[float, int]] = []
        self.most_descriptors = 0
        self._lock = threading.Lock()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    @property
    def over(self) -> bool:
        return self.elapsed >= self.seconds

    def done(self, what: str, transferred: int = 0) -> None:
        with self._lock:
            self.counts[what] += 1
            self.bytes += transferred

    def fault(self, what: str) -> None:
        with self._lock:
            self.faults[what] += 1
            if self.faults[what] == 1:
                print(f"FAULT: {what}", flush=True)

    def exception_handler(self, loop: Any, context: dict[str, Any]) -> None:
        """For loops: nothing of what is done here may get there."""
        if isinstance(loop, asyncio.SelectorEventLoop) and "_call_conn" in context["message"]:
            return  # asyncio's TLS may tell of the end of a connection twice.
        exception = context.get("exception")
        self.fault(f"reported: {context['message']}: {type(exception).__name__}: {exception}")

    @property
    def operations(self) -> int:
        return self.counts.total()

    def sample(self) -> str:
        """Takes the figures of this moment; a line that shows them."""
        memory = resident()
        self.memory.append((self.elapsed, memory))
        self.most_descriptors = max(self.most_descriptors, descriptors())
        return (
            f"{self.elapsed:7.1f} s  {self.operations:9} operations  {self.bytes >> 20:7} MiB  "
            f"{self.counts['cut off']:7} cut off  {self.faults.total()} faults  "
            f"{memory >> 20} MiB resident  {descriptors()} descriptors  "
            f"{threading.active_count()} threads"
        )

    def check_memory(self) -> str:
        """A fault when memory has grown since the warm-up; a line that shows it."""
        begin = max(WARM_UP * self.seconds, WARM_UP_SECONDS)
        steady = [memory for when, memory in self.memory if when >= begin]
        if len(steady) < 4:
            return "memory: too short a run to judge; two minutes suffice"
        quarter = max(len(steady) // 4, 1)
        first, last = max(steady[:quarter]), min(steady[-quarter:])
        share, beside = GROWTH
        if last > first * (1 + share) + beside:
            self.fault(f"memory grew from {first >> 20} to {last >> 20} MiB")
        return f"memory: {first >> 20} MiB after the warm-up, {last >> 20} MiB at the end"

    def summary(self) -> str:
        kinds = "\n".join(f"  {count:9} {what}" for what, count in sorted(self.counts.items()))
        faults = "\n".join(f"  {count:9} {what}" for what, count in self.faults.most_common())
        return (
            f"{self.operations} operations, {self.bytes} bytes in {self.elapsed:.0f} s, "
            f"at most {self.most_descriptors} descriptors\n{kinds}\n"
            f"{self.faults.total()} faults\n{faults}"
        )
