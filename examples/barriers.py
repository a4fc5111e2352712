"""asyncio.Barrier: nobody goes on before all have come."""

import asyncio


async def walker(name: str, steps: int, gate: asyncio.Barrier) -> None:
    """Comes to the gate after some steps."""
    for _ in range(steps):
        await asyncio.sleep(0)
    print(name, "is at the gate")
    if await gate.wait() == 0:
        print("the gate opens")


async def main() -> None:
    """Three walkers, then a barrier that is given up."""
    gate = asyncio.Barrier(3)
    await asyncio.gather(*[walker(name, steps, gate) for steps, name in enumerate("abc")])

    waiting = asyncio.create_task(gate.wait())
    await asyncio.sleep(0)
    await gate.abort()
    try:
        await waiting
    except asyncio.BrokenBarrierError:
        print("given up")


if __name__ == "__main__":
    asyncio.run(main())
