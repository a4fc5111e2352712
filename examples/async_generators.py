"""Asynchronous generators: yielding, sending, closing, and those that are left unfinished."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator


async def ticks(count: int) -> AsyncGenerator[int, None]:
    """Waits between the numbers, and cleans up."""
    try:
        for number in range(count):
            await asyncio.sleep(0)
            yield number
    finally:
        await asyncio.sleep(0)
        print("ticks cleaned up")


async def average() -> AsyncGenerator[float, float]:
    """Answers each number with the average so far."""
    total, count = 0.0, 0
    answer = 0.0
    while True:
        total += yield answer
        count += 1
        answer = total / count


async def main(unfinished: list[AsyncGenerator[int, None]]) -> None:
    """Uses them up, feeds them, breaks off, and leaves one for the end of run()."""
    print([number async for number in ticks(3)])

    averages = average()
    await anext(averages)
    print([await averages.asend(number) for number in (10, 20, 60)])  # codespell:ignore asend
    await averages.aclose()

    async with contextlib.aclosing(ticks(1000)) as stream:
        async for number in stream:
            if number == 2:
                print("enough")
                break

    unfinished.append(ticks(1000))
    print("unfinished at", await anext(unfinished[0]))
    print("main ends")


if __name__ == "__main__":
    kept: list[AsyncGenerator[int, None]] = []
    asyncio.run(main(kept))
