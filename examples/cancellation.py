"""Cancelling tasks: clean-up, refusing, and how cancellation travels."""

import asyncio


async def tidy(log: list[str]) -> None:
    """Cleans up when it is cancelled."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError as error:
        log.append(f"cancelled: {error}")
        raise
    finally:
        await asyncio.sleep(0)
        log.append("cleaned up")


async def stubborn() -> str:
    """Catches its cancellation and takes it back."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        left = task.uncancel()
        return f"went on, {left} requests left"
    return "never"


async def parent() -> None:
    """Awaits a child, which is cancelled with it."""
    child = asyncio.create_task(asyncio.Event().wait())
    try:
        await child
    finally:
        print("child cancelled:", child.cancelled())


async def main() -> None:
    """Cancels each of them."""
    log: list[str] = []
    task = asyncio.create_task(tidy(log))
    await asyncio.sleep(0)
    print("cancel():", task.cancel("time to go"))
    try:
        await task
    except asyncio.CancelledError:
        print(*log, sep=", ")
    print("cancel() of a task that is done:", task.cancel())

    unwilling = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    unwilling.cancel()
    print(await unwilling)

    outer = asyncio.create_task(parent())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    outer.cancel()
    await asyncio.wait([outer])
    print("parent cancelled:", outer.cancelled())

    unstarted = asyncio.create_task(tidy(log))
    unstarted.cancel()
    await asyncio.wait([unstarted])
    print("cancelled before it began:", unstarted.cancelled(), len(log))


if __name__ == "__main__":
    asyncio.run(main())
