"""Work that leaves the loop's thread and comes back: executors and names."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

from harness.rows import Batch, in_process

POSITION = 40


def nothing() -> None:
    """What the thread does."""


@in_process("run_in_executor", "run_in_executor, one after the other")
def run_in_executor(loop: asyncio.AbstractEventLoop) -> Batch:
    """The way to a thread and back, with nobody else under way."""
    count = 5_000
    pool = ThreadPoolExecutor(1)

    async def run() -> int:
        for _ in repeat(None, count):
            await loop.run_in_executor(pool, nothing)
        return count

    return lambda: loop.run_until_complete(run())


@in_process("run_in_executor_20", "run_in_executor, 20 at once")
def run_in_executor_20(loop: asyncio.AbstractEventLoop) -> Batch:
    """Twenty calls under way on four threads."""
    rounds, each = 250, 20
    pool = ThreadPoolExecutor(4)

    async def run() -> int:
        for _ in repeat(None, rounds):
            await asyncio.gather(*[loop.run_in_executor(pool, nothing) for _ in range(each)])
        return rounds * each

    return lambda: loop.run_until_complete(run())


@in_process("getaddrinfo_literal", "getaddrinfo of a literal")
def getaddrinfo_literal(loop: asyncio.AbstractEventLoop) -> Batch:
    """An address that needs no resolver."""
    count = 2_000

    async def run() -> int:
        for _ in repeat(None, count):
            await loop.getaddrinfo("127.0.0.1", 8080, type=socket.SOCK_STREAM)
        return count

    return lambda: loop.run_until_complete(run())
