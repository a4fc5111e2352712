"""Starting the loop: asyncio.run() for a program, asyncio.Runner for several calls on one loop."""

import asyncio
import contextvars

visits: contextvars.ContextVar[int] = contextvars.ContextVar("visits", default=0)


async def greet(name: str) -> str:
    """A coroutine does nothing until something runs it."""
    await asyncio.sleep(0)
    return f"hello, {name}"


async def count_visit() -> int:
    """Changes a context variable of the runner's context."""
    visits.set(visits.get() + 1)
    return visits.get()


def main() -> None:
    """Runs one coroutine, then some that share a loop and a context."""
    print(asyncio.run(greet("world")))

    with asyncio.Runner() as runner:
        first = runner.get_loop()
        print("visit", runner.run(count_visit()))
        print("visit", runner.run(count_visit()))
        print("same loop:", runner.get_loop() is first)
    print("closed:", first.is_closed())

    try:
        asyncio.run(fail())
    except ValueError as error:
        print("an exception comes out of run():", error)


async def fail() -> None:
    """Ends with an exception."""
    raise ValueError("no such thing")


if __name__ == "__main__":
    main()
