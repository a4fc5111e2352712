"""Asynchronous context managers: classes, generators, and a stack of them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self


class Connection:
    """Opens and closes with a wait."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __aenter__(self) -> Self:
        await asyncio.sleep(0)
        print("open", self.name)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        await asyncio.sleep(0)
        print("close", self.name, "after", "success" if error is None else repr(error))
        return isinstance(error, ConnectionError)


@contextlib.asynccontextmanager
async def transaction(connection: Connection) -> AsyncIterator[str]:
    """Commits or rolls back."""
    try:
        yield f"transaction on {connection.name}"
    except ValueError:
        print("roll back")
        raise
    else:
        await asyncio.sleep(0)
        print("commit")


async def main() -> None:
    """Each of them with and without exceptions."""
    async with Connection("first") as connection, transaction(connection) as name:
        print(name)

    async with Connection("second"):
        raise ConnectionError("swallowed")

    try:
        async with Connection("third") as connection, transaction(connection):
            raise ValueError("wrong")
    except ValueError as error:
        print("came through:", error)

    async with contextlib.AsyncExitStack() as stack:
        for name in ("a", "b"):
            await stack.enter_async_context(Connection(name))
        stack.push_async_callback(asyncio.sleep, 0)


if __name__ == "__main__":
    asyncio.run(main())
