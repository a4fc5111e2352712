"""What the tests of signals share."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from tests.support.loops import run

Loop = asyncio.AbstractEventLoop
USED = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)


def send(sig: int = signal.SIGUSR1) -> None:
    os.kill(os.getpid(), sig)


def send_when_it_runs(loop: Loop, sig: int = signal.SIGUSR1) -> threading.Thread:
    """Sends a signal from another thread when the loop runs, most probably while it is idle."""
    runs = threading.Event()

    def work() -> None:
        runs.wait(10)
        time.sleep(0.02)
        send(sig)

    loop.call_soon(runs.set)
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def wakeup_fd() -> int:
    number = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(number)
    return number


def until(loop: Loop, condition: Callable[[], Any]) -> None:
    async def wait() -> None:
        while not condition():
            await asyncio.sleep(0)

    run(loop, wait(), 5)
