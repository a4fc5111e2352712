"""Asynchronous iterators: __aiter__ and __anext__, aiter() and anext(), comprehensions."""

import asyncio
from collections.abc import AsyncIterator


class Countdown:
    """Counts down, and waits between the numbers."""

    def __init__(self, start: int) -> None:
        self.left = start

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        if self.left == 0:
            raise StopAsyncIteration
        await asyncio.sleep(0)
        self.left -= 1
        return self.left + 1


async def main() -> None:
    """The ways to use one."""
    async for number in Countdown(3):
        print(number)
    print("go")

    numbers = aiter(Countdown(2))
    print(await anext(numbers), await anext(numbers), await anext(numbers, "no more"))
    print([number * 10 async for number in Countdown(3)])
    print({number: "odd" async for number in Countdown(5) if number % 2})


if __name__ == "__main__":
    asyncio.run(main())
