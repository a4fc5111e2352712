"""Tasks: coroutines that run side by side, their names, results, exceptions and callbacks."""

import asyncio


async def work(name: str, steps: int) -> str:
    """Tells its steps, and lets others run between them."""
    for step in range(steps):
        print(f"{name}: step {step}")
        await asyncio.sleep(0)
    return f"{name} is done"


async def fail() -> None:
    """Ends with an exception."""
    raise LookupError("nothing here")


async def main() -> None:
    """Starts tasks and looks at them."""
    first = asyncio.create_task(work("first", 3), name="number one")
    second = asyncio.create_task(work("second", 2))
    first.add_done_callback(lambda task: print("callback of", task.get_name()))
    print("nothing has run yet:", not first.done() and not second.done())
    print(await first)
    print(await second)
    print("result again:", first.result())

    failing = asyncio.create_task(fail())
    await asyncio.wait([failing])
    print("exception:", repr(failing.exception()))

    current = asyncio.current_task()
    print("only this one is left:", asyncio.all_tasks() == {current})


if __name__ == "__main__":
    asyncio.run(main())
