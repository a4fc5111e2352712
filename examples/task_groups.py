"""asyncio.TaskGroup: tasks that end together, and their exceptions in a group."""

import asyncio


async def fetch(name: str, turns: int) -> str:
    """Takes some turns of the loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
    return name


async def fail(error: Exception) -> None:
    """Ends with an exception."""
    await asyncio.sleep(0)
    raise error


async def linger(log: list[str]) -> None:
    """Waits to be cancelled."""
    try:
        await asyncio.Event().wait()
    finally:
        log.append("lingering task cancelled")


async def main() -> None:
    """A group that succeeds, and one of which two members fail."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(fetch(name, turns)) for turns, name in enumerate("abc")]
    print("all done:", [task.result() for task in tasks])

    log: list[str] = []
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(linger(log))
            group.create_task(fail(ValueError("wrong value")))
            group.create_task(fail(TypeError("wrong type")))
    except* ValueError as errors:
        print("values:", [str(error) for error in errors.exceptions])
    except* TypeError as errors:
        print("types:", [str(error) for error in errors.exceptions])
    print(*log)


if __name__ == "__main__":
    asyncio.run(main())
