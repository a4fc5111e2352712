"""asyncio.Event: many tasks wait for one signal."""

import asyncio


async def runner(number: int, start: asyncio.Event) -> None:
    """Runs when the event is set."""
    print("runner", number, "is ready")
    await start.wait()
    print("runner", number, "runs")


async def main() -> None:
    """Sets the event once, and clears it again."""
    start = asyncio.Event()
    runners = [asyncio.create_task(runner(number, start)) for number in range(3)]
    await asyncio.sleep(0)
    print("set:", start.is_set())
    start.set()
    await asyncio.gather(*runners)
    await start.wait()
    print("who comes later does not wait")
    start.clear()
    print("set:", start.is_set())


if __name__ == "__main__":
    asyncio.run(main())
