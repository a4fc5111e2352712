"""The three queues: first in first out, last in first out, and by priority."""

import asyncio


async def produce(queue: asyncio.Queue[int], count: int) -> None:
    """Waits whenever the queue is full."""
    for item in range(count):
        await queue.put(item)
        print("put", item, "and full" if queue.full() else "with room left")


async def consume(queue: asyncio.Queue[int]) -> None:
    """Takes items until it is cancelled."""
    while True:
        item = await queue.get()
        print("got", item)
        queue.task_done()


async def main() -> None:
    """A producer and a consumer, then the orders of the other two queues."""
    queue: asyncio.Queue[int] = asyncio.Queue(maxsize=2)
    consumer = asyncio.create_task(consume(queue))
    await produce(queue, 5)
    await queue.join()
    consumer.cancel()
    await asyncio.wait([consumer])
    print("all taken:", queue.empty())

    stack: asyncio.LifoQueue[str] = asyncio.LifoQueue()
    for letter in "abc":
        stack.put_nowait(letter)
    print("last in first out:", [await stack.get() for _ in range(3)])

    urgent: asyncio.PriorityQueue[tuple[int, str]] = asyncio.PriorityQueue()
    for entry in [(3, "sleep"), (1, "breathe"), (2, "eat")]:
        await urgent.put(entry)
    print("by priority:", [(await urgent.get())[1] for _ in range(3)])

    try:
        urgent.get_nowait()
    except asyncio.QueueEmpty:
        print("empty")
    small: asyncio.Queue[int] = asyncio.Queue(1)
    small.put_nowait(1)
    try:
        small.put_nowait(2)
    except asyncio.QueueFull:
        print("full")


if __name__ == "__main__":
    asyncio.run(main())
