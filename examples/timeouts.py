"""asyncio.timeout(), timeout_at() and wait_for()."""

import asyncio


async def for_ever() -> None:
    """Waits until it is cancelled, and says so."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("  cancelled")
        raise


async def main() -> None:
    """Time-outs that happen, that do not, and that are moved."""
    try:
        async with asyncio.timeout(0.01):
            await for_ever()
    except TimeoutError:
        print("timeout: too late")

    async with asyncio.timeout(60) as limit:
        await asyncio.sleep(0)
    print("timeout: in time, expired:", limit.expired())

    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout_at(loop.time() + 60) as limit:
            limit.reschedule(loop.time() + 0.01)
            await for_ever()
    except TimeoutError:
        print("timeout_at: rescheduled, expired:", limit.expired())

    try:
        await asyncio.wait_for(for_ever(), 0.01)
    except TimeoutError:
        print("wait_for: too late")
    print("wait_for:", await asyncio.wait_for(asyncio.sleep(0, "in time"), 60))

    try:
        async with asyncio.timeout(60), asyncio.timeout(0.01):
            await for_ever()
    except TimeoutError:
        print("nested: the inner one")


if __name__ == "__main__":
    asyncio.run(main())
