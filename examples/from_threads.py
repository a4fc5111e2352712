"""The loop called from other threads: run_coroutine_threadsafe() and call_soon_threadsafe()."""

import asyncio
import threading


async def add(left: int, right: int) -> int:
    """Runs on the loop."""
    await asyncio.sleep(0)
    return left + right


async def divide(left: int, right: int) -> float:
    """Runs on the loop, and may fail."""
    return left / right


def other_thread(loop: asyncio.AbstractEventLoop) -> None:
    """A thread without a loop that uses one of another thread."""
    sum_of_both = asyncio.run_coroutine_threadsafe(add(1, 2), loop)
    print("result:", sum_of_both.result(timeout=10))

    impossible = asyncio.run_coroutine_threadsafe(divide(1, 0), loop)
    try:
        impossible.result(timeout=10)
    except ZeroDivisionError as error:
        print("exception:", error)

    never = asyncio.run_coroutine_threadsafe(asyncio.sleep(3600), loop)
    try:
        never.result(timeout=0.01)
    except TimeoutError:
        print("cancelled:", never.cancel())


async def main() -> None:
    """Waits for threads with nothing but call_soon_threadsafe()."""
    loop = asyncio.get_running_loop()
    finished = asyncio.Event()

    def run() -> None:
        other_thread(loop)
        loop.call_soon_threadsafe(finished.set)

    thread = threading.Thread(target=run)
    thread.start()
    await finished.wait()
    thread.join()

    received: list[int] = []
    complete = asyncio.Event()

    def receive(number: int) -> None:
        received.append(number)
        if len(received) == 400:
            complete.set()

    def send(first: int) -> None:
        for number in range(first, first + 100):
            loop.call_soon_threadsafe(receive, number)

    senders = [threading.Thread(target=send, args=(first,)) for first in range(0, 400, 100)]
    for sender in senders:
        sender.start()
    await complete.wait()
    for sender in senders:
        sender.join()
    own_order = all(
        [number for number in received if number // 100 == sender]
        == list(range(100 * sender, 100 * sender + 100))
        for sender in range(4)
    )
    print("all received:", len(received), "in each sender's order:", own_order)


if __name__ == "__main__":
    asyncio.run(main())
