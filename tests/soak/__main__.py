"""python -m tests.soak: clients and servers of every kind, and much else, for many minutes.

Every byte has to arrive where it was sent to, nothing unexpected may be reported, and memory,
descriptors, threads and children have to stay what they were. Ends with status 1 otherwise.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import gc
import os
import random
import sys
import tempfile
import threading
import traceback
import warnings
from pathlib import Path
from typing import Any

from tests.soak.asking import Clients
from tests.soak.churn import Churn, DatagramServer
from tests.soak.serving import Contexts, Serving
from tests.soak.tally import Tally, descriptors, native_counters
from tests.support.loops import LOOP_FACTORIES, close_loop

STUCK_AFTER = 30  # seconds without any operation


def _origin(exc: BaseException) -> str:
    """The innermost line of ours; of a time limit the one that waited."""
    frames = traceback.extract_tb((exc.__cause__ or exc).__traceback__)
    ours = [frame for frame in frames if "soak" in frame.filename]
    return f"{ours[-1].name}:{ours[-1].lineno}" if ours else "an unknown place"


class Soak:
    """The work of one loop."""

    def __init__(self, tally: Tally, seed: str, contexts: Contexts, workers: int) -> None:
        self.tally = tally
        self.seed = seed
        self.contexts = contexts
        self.workers = workers

    async def _work(self, name: str, job: Any) -> None:
        while not self.tally.over:
            try:
                async with asyncio.timeout(STUCK_AFTER):
                    await job()
            except Exception as exc:
                self.tally.fault(f"{name}: {exc!r} at {_origin(exc)}")

    async def run(self, children: bool) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self.tally.exception_handler)
        chance = random.Random(self.seed)
        serving = Serving(self.tally, random.Random(chance.random()), self.contexts)
        echo, _ = await loop.create_datagram_endpoint(DatagramServer, local_addr=("127.0.0.1", 0))
        async with serving.one_of_each(), asyncio.TaskGroup() as group:
            for _ in range(self.workers):
                mine = random.Random(chance.random())
                clients = Clients(self.tally, mine, self.contexts)
                ask = lambda c=clients, m=mine: c.once(m.choice(serving.places))  # noqa: E731
                group.create_task(self._work("client", ask))
            for _ in range(3):
                mine = random.Random(chance.random())
                churn = Churn(self.tally, mine, echo.get_extra_info("sockname"))
                often = lambda c=churn, m=mine: m.choice(c.often)()  # noqa: E731
                group.create_task(self._work("churn", often))
            if children:
                seldom = lambda c=churn, m=mine: m.choice(c.seldom)()  # noqa: E731
                group.create_task(self._work("children", seldom))
            group.create_task(self._work("servers", serving.come_and_go))
        echo.close()
        await asyncio.sleep(0.1)


class Progress(threading.Thread):
    """Says how it goes, and ends the program where it stands still."""

    def __init__(self, tally: Tally, every: float) -> None:
        super().__init__(daemon=True)
        self.tally = tally
        self.every = every
        self.ended = threading.Event()

    def run(self) -> None:
        before = -1
        while not self.ended.is_set():
            if self.tally.operations != before:
                faulthandler.dump_traceback_later(STUCK_AFTER + self.every, exit=True)
            before = self.tally.operations
            self.ended.wait(self.every)
            if not self.ended.is_set():
                print(self.tally.sample(), flush=True)
        faulthandler.cancel_dump_traceback_later()


def run_loop(kind: str, soak: Soak, children: bool) -> None:
    loop = LOOP_FACTORIES[kind]()
    try:
        loop.run_until_complete(soak.run(children))
    except BaseException as exc:
        soak.tally.fault(f"the loop ended with {exc!r}")
        traceback.print_exc()
    left = asyncio.all_tasks(loop)
    if left:
        soak.tally.fault(f"{len(left)} tasks left: {next(iter(left))}")
    close_loop(loop)


def check_nothing_is_left(tally: Tally, before: int, counters: dict[str, int]) -> None:
    gc.collect()
    if descriptors() > before:
        names = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")[:-1]]
        tally.fault(f"{descriptors()} descriptors, {before} before: {sorted(names)}")
    others = [t for t in threading.enumerate() if t is not threading.main_thread()]
    if others:
        tally.fault(f"threads left: {others}")
    with contextlib.suppress(ChildProcessError):
        tally.fault(f"a child is left: {os.waitpid(-1, os.WNOHANG)}")
    after = native_counters()
    if any(after[name] > counters[name] for name in counters):
        tally.fault(f"native objects: {after}, before {counters}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--loop", choices=sorted(LOOP_FACTORIES), default="cxxloop")
    parser.add_argument("--workers", type=int, default=24, help="clients at a time in each loop")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--no-memory", action="store_true", help="don't judge the growth")
    arguments = parser.parse_args()
    faulthandler.enable()
    warnings.simplefilter("ignore", DeprecationWarning)  # Child watchers of 3.12 and 3.13.
    tally = Tally(arguments.minutes * 60)
    warnings.showwarning = lambda message, *_, **__: tally.fault(f"warning: {message}")
    sys.unraisablehook = lambda args: tally.fault(
        f"unraisable {args.exc_type.__name__}: {args.exc_value} in {args.object!r}"
    )
    print(f"soak of {arguments.loop} on Python {sys.version.split()[0]}, seed {arguments.seed}")
    LOOP_FACTORIES[arguments.loop]().close()
    gc.collect()
    before, counters = descriptors(), native_counters()
    progress = Progress(tally, min(10.0, tally.seconds / 5))
    progress.start()
    with tempfile.TemporaryDirectory() as directory:
        contexts = Contexts(Path(directory))
        soaks = [
            Soak(tally, f"{arguments.seed}/{number}", contexts, arguments.workers)
            for number in range(2)
        ]
        # A second loop in a thread. Children are the main thread's, as older asyncio wants it.
        other = threading.Thread(target=run_loop, args=(arguments.loop, soaks[1], False))
        other.start()
        run_loop(arguments.loop, soaks[0], True)
        other.join()
    progress.ended.set()
    progress.join()
    check_nothing_is_left(tally, before, counters)
    if not arguments.no_memory:
        print(tally.check_memory())
    print(tally.summary())
    print("RESULT:", "FAILED" if tally.faults else "passed", flush=True)
    sys.exit(bool(tally.faults))


if __name__ == "__main__":
    main()
