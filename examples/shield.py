"""asyncio.shield(): a caller that is cancelled without the work that it waits for."""

import asyncio


async def save(saved: list[str]) -> str:
    """Work that should not be broken off."""
    for _ in range(3):
        await asyncio.sleep(0)
    saved.append("document")
    return "saved"


async def main() -> None:
    """Cancels the one who waits, then looks at what became of the work."""
    saved: list[str] = []
    work = asyncio.create_task(save(saved))

    async def wait_for_it() -> None:
        await asyncio.shield(work)

    caller = asyncio.create_task(wait_for_it())
    await asyncio.sleep(0)
    caller.cancel()
    try:
        await caller
    except asyncio.CancelledError:
        print("the caller is cancelled")
    print("the work is not:", not work.cancelled())
    print(await work, saved)

    unshielded = asyncio.create_task(save(saved))
    await asyncio.sleep(0)
    unshielded.cancel()
    await asyncio.wait([unshielded])
    print("without shield:", unshielded.cancelled(), saved)


if __name__ == "__main__":
    asyncio.run(main())
