"""Callbacks: call_soon(), call_later() and call_at(), their order, and cancelling them."""

import asyncio


async def main() -> None:
    """Schedules some callbacks; the last one ends the program."""
    loop = asyncio.get_running_loop()
    finished = loop.create_future()
    start = loop.time()

    loop.call_later(0.03, finished.set_result, "third")
    loop.call_later(0.02, print, "second")
    loop.call_at(start + 0.01, print, "first")
    loop.call_soon(print, "soon")
    loop.call_soon(print, "soon too")

    never = loop.call_later(0.02, print, "never")
    print("due later than now:", never.when() > start)
    never.cancel()
    print("cancelled:", never.cancelled())

    print(await finished)
    print("not too early:", loop.time() - start >= 0.03 - 0.001)

    ticks = 0
    ticked = asyncio.Event()

    def tick() -> None:
        nonlocal ticks
        ticks += 1
        if ticks < 5:
            loop.call_later(0.001, tick)
        else:
            ticked.set()

    tick()
    await ticked.wait()
    print("ticks:", ticks)


if __name__ == "__main__":
    asyncio.run(main())
