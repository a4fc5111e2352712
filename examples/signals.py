"""add_signal_handler(): signals as callbacks on the loop."""

import asyncio
import os
import signal


async def main() -> None:
    """Sends signals to itself."""
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[str] = asyncio.Queue()
    for number in (signal.SIGUSR1, signal.SIGTERM):
        loop.add_signal_handler(number, arrived.put_nowait, number.name)

    os.kill(os.getpid(), signal.SIGUSR1)
    print("first:", await arrived.get())
    loop.call_later(0.01, os.kill, os.getpid(), signal.SIGTERM)
    print("second:", await arrived.get())

    for number in (signal.SIGUSR1, signal.SIGTERM):
        print(number.name, "removed:", loop.remove_signal_handler(number))
    print("removed again:", loop.remove_signal_handler(signal.SIGUSR1))
    print("back to default:", signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)

    try:
        loop.add_signal_handler(signal.SIGKILL, print)
    except RuntimeError as error:
        print("error:", error)


if __name__ == "__main__":
    asyncio.run(main())
