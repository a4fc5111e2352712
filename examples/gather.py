"""asyncio.gather(): several results in the order of the arguments, and what exceptions do."""

import asyncio


async def square(number: int) -> int:
    """Later numbers end earlier."""
    for _ in range(10 - number):
        await asyncio.sleep(0)
    print("squared", number)
    return number * number


async def fail(text: str) -> int:
    """Ends with an exception."""
    await asyncio.sleep(0)
    raise ValueError(text)


async def main() -> None:
    """Gathers results, then exceptions."""
    print(await asyncio.gather(square(1), square(2), square(3)))

    mixed = await asyncio.gather(square(4), fail("four and a half"), return_exceptions=True)
    print(mixed)

    slow = asyncio.ensure_future(asyncio.sleep(3600))
    try:
        await asyncio.gather(slow, fail("at once"))
    except ValueError as error:
        print("first exception:", error)
    print("the others go on:", not slow.done())
    slow.cancel()


if __name__ == "__main__":
    asyncio.run(main())
