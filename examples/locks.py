"""asyncio.Lock: one task at a time, in the order in which they came."""

import asyncio


class Account:
    """Reads and writes with a pause between, which is safe only behind a lock."""

    def __init__(self) -> None:
        self.balance = 0
        self.lock = asyncio.Lock()

    async def deposit(self, amount: int) -> None:
        """Without a lock."""
        balance = self.balance
        await asyncio.sleep(0)
        self.balance = balance + amount

    async def deposit_safely(self, amount: int) -> None:
        """With one."""
        async with self.lock:
            await self.deposit(amount)


async def main() -> None:
    """Ten deposits without and with the lock, then the order of the waiters."""
    account = Account()
    await asyncio.gather(*[account.deposit(1) for _ in range(10)])
    print("without a lock:", account.balance)
    account.balance = 0
    await asyncio.gather(*[account.deposit_safely(1) for _ in range(10)])
    print("with a lock:", account.balance)

    lock = asyncio.Lock()
    order: list[str] = []

    async def enter(name: str) -> None:
        async with lock:
            order.append(name)

    await lock.acquire()
    tasks = [asyncio.create_task(enter(name)) for name in "abc"]
    await asyncio.sleep(0)
    tasks[1].cancel()
    print("locked:", lock.locked())
    lock.release()
    await asyncio.wait(tasks)
    print("order, without the cancelled one:", order)
    try:
        lock.release()
    except RuntimeError as error:
        print("error:", error)


if __name__ == "__main__":
    asyncio.run(main())
