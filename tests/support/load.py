"""Load for servers: many requests by several workers, and bodies in pieces."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

REQUESTS = 1000
BODY = os.urandom(2 << 20)
DIGEST = hashlib.sha256(BODY).hexdigest()


def token_of(number: int) -> str:
    """A text that no other request carries."""
    return f"{number}-{os.urandom(8).hex()}"


async def ask_many(
    workers: int, ask: Callable[[str], Awaitable[str]], count: int = REQUESTS
) -> None:
    """Asks `count` times with a new token each; every answer must be the token asked with."""
    numbers = iter(range(count))
    answered: set[str] = set()

    async def work() -> None:
        for number in numbers:
            token = token_of(number)
            assert await ask(token) == token
            answered.add(token)

    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    assert len(answered) == count


def pieces(body: bytes = BODY) -> Iterator[bytes]:
    """A body in small and large pieces."""
    sizes = itertools.cycle((1, 100, 1000, 70_000, 200_000))
    start = 0
    while start < len(body):
        size = next(sizes)
        yield body[start : start + size]
        start += size


async def streamed(body: bytes = BODY) -> AsyncIterator[bytes]:
    """The same pieces, for whom asks asynchronously."""
    for piece in pieces(body):
        yield piece
        await asyncio.sleep(0)
