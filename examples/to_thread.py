"""asyncio.to_thread(): a function in a thread, with the context of its caller."""

import asyncio
import contextvars
import threading

user: contextvars.ContextVar[str] = contextvars.ContextVar("user")


def read(name: str, *, upper: bool = False) -> str:
    """Runs in a thread and sees the caller's context."""
    text = f"{name} read by {user.get()}"
    return text.upper() if upper else text


async def handle(name: str) -> str:
    """Each task has a context of its own."""
    user.set(f"user of {name}")
    return await asyncio.to_thread(read, name)


async def main() -> None:
    """Some calls, one after the other and side by side."""
    user.set("main")
    print(await asyncio.to_thread(read, "file", upper=True))
    for text in await asyncio.gather(*[handle(name) for name in "abc"]):
        print(text)
    print("unchanged here:", user.get())
    other = await asyncio.to_thread(threading.get_ident)
    print("another thread:", other != threading.get_ident())


if __name__ == "__main__":
    asyncio.run(main())
