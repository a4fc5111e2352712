"""asyncio.Condition: wait until something shared has changed."""

import asyncio


async def customer(name: str, shelf: list[str], changed: asyncio.Condition) -> None:
    """Waits until there is something on the shelf."""
    async with changed:
        await changed.wait_for(lambda: shelf)
        print(name, "takes", shelf.pop(0))


async def baker(shelf: list[str], changed: asyncio.Condition) -> None:
    """Bakes one thing for one customer, then enough for all."""
    async with changed:
        shelf.append("bread")
        changed.notify()
    await asyncio.sleep(0)
    async with changed:
        shelf.extend(["cake", "rolls"])
        changed.notify_all()


async def main() -> None:
    """Three customers wait before the baker begins."""
    changed = asyncio.Condition()
    shelf: list[str] = []
    names = ["Ada", "Bo", "Cy"]
    customers = [asyncio.create_task(customer(name, shelf, changed)) for name in names]
    await asyncio.sleep(0)
    await baker(shelf, changed)
    await asyncio.gather(*customers)
    print("left:", shelf)


if __name__ == "__main__":
    asyncio.run(main())
