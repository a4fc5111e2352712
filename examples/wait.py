"""asyncio.wait(): until all, the first, or the first exception, or for a limited time."""

import asyncio


async def after(event: asyncio.Event, name: str) -> str:
    """Ends when the event is set."""
    await event.wait()
    return name


async def fail(event: asyncio.Event) -> str:
    """Fails when the event is set."""
    await event.wait()
    raise RuntimeError("as expected")


async def main() -> None:
    """Each way to wait, with events that decide who ends when."""
    early, late = asyncio.Event(), asyncio.Event()
    tasks = {
        asyncio.create_task(after(early, "early")),
        asyncio.create_task(after(late, "late")),
    }

    done, pending = await asyncio.wait(tasks, timeout=0.01)
    print("in time:", len(done), "pending:", len(pending))

    early.set()
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    print("first:", [task.result() for task in done], "pending:", len(pending))

    pending.add(asyncio.create_task(fail(early)))
    done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_EXCEPTION)
    print("failed:", [str(task.exception()) for task in done], "pending:", len(pending))

    late.set()
    done, pending = await asyncio.wait(pending)
    print("last:", [task.result() for task in done], "pending:", len(pending))


if __name__ == "__main__":
    asyncio.run(main())
