"""asyncio.Semaphore and BoundedSemaphore: so many tasks at a time, and no more."""

import asyncio


async def main() -> None:
    """Ten visitors and three seats."""
    seats = asyncio.Semaphore(3)
    inside = 0
    most = 0

    async def visit() -> None:
        nonlocal inside, most
        async with seats:
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.001)
            inside -= 1

    await asyncio.gather(*[visit() for _ in range(10)])
    print("at most", most, "inside,", inside, "left")

    single = asyncio.BoundedSemaphore(1)
    await single.acquire()
    print("taken:", single.locked())
    single.release()
    try:
        single.release()
    except ValueError as error:
        print("error:", error)


if __name__ == "__main__":
    asyncio.run(main())
