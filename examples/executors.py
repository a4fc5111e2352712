"""run_in_executor(): blocking work in threads, while the loop goes on."""

import asyncio
import concurrent.futures
import functools
import threading
import time


def blocking(seconds: float, answer: str) -> str:
    """Blocks its thread."""
    time.sleep(seconds)
    return answer


def fail() -> None:
    """Ends with an exception."""
    raise OSError("the disk is full")


async def main() -> None:
    """The default executor, one of our own, and exceptions."""
    loop = asyncio.get_running_loop()

    work = loop.run_in_executor(None, blocking, 0.02, "from a thread")
    turns = 0
    while not work.done():
        await asyncio.sleep(0.001)
        turns += 1
    print(await work, "while the loop went on:", turns > 0)

    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        calls = [functools.partial(blocking, 0.001, answer=text) for text in "abc"]
        print(await asyncio.gather(*[loop.run_in_executor(pool, call) for call in calls]))
        worker = await loop.run_in_executor(pool, threading.current_thread)
        print("another thread:", worker is not threading.current_thread())

    try:
        await loop.run_in_executor(None, fail)
    except OSError as error:
        print("exception:", error)
    await loop.shutdown_default_executor()
    try:
        await loop.run_in_executor(None, blocking, 0, "too late")
    except RuntimeError as error:
        print("error:", error)


if __name__ == "__main__":
    asyncio.run(main())
