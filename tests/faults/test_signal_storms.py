"""Signals at any moment: nothing is lost, and KeyboardInterrupt leaves the loop usable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.lifecycle.interpreters import FACTORIES, Ended

_TRAFFIC = """\
from tests.faults.operations import OPERATIONS
from tests.support.loops import close_loop
warnings.simplefilter("ignore", ResourceWarning)  # Of what an interrupt has cut short.

TRAFFIC = ("tcp", "unix", "datagrams", "pipes", "socket_operations", "threads")

async def traffic(rounds, names=TRAFFIC):
    async with asyncio.timeout(50):
        for _ in range(rounds):
            for name in names:
                await OPERATIONS[name]()
"""


@pytest.mark.slow
@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES.keys())
@pytest.mark.parametrize("way", ["signal.signal(signal.SIGALRM, handler)", "by_loop"])
def test_nothing_is_lost_while_signals_arrive_all_the_time(
    interpret_with_shim: Callable[..., Ended], factory: str, way: str
) -> None:
    ended = interpret_with_shim(
        f"""{_TRAFFIC}
arrived = 0
def handler(*_):
    global arrived
    arrived += 1

loop = {factory}()
by_loop = {way == "by_loop"}
if by_loop:
    loop.add_signal_handler(signal.SIGALRM, handler)
else:
    {"pass" if way == "by_loop" else way}
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
loop.run_until_complete(traffic(5))
signal.setitimer(signal.ITIMER_REAL, 0)
if by_loop:
    loop.remove_signal_handler(signal.SIGALRM)
assert arrived > 10, arrived
close_loop(loop)
"""
    )
    assert ended.status == 0, ended.err


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [7, 8])
def test_interrupt_leaves_the_loop_at_any_moment_and_it_can_be_closed(
    interpret_with_shim: Callable[..., Ended], seed: int, tmp_path: Path
) -> None:
    """Not on asyncio's loop, whose operations often wait for ever after an interrupt.

    Of asyncio's code that both loops use, gather() may: the interrupted callback of its last child
    was to resolve it. A lock of `threading` may stay locked, so that no executor takes part.
    """
    ended = interpret_with_shim(
        f"""{_TRAFFIC}
import random
chance = random.Random({seed})
sys.unraisablehook = lambda args: None  # An interrupt in a finalizer is nobody's.

def is_forgotten_by_gather(task):
    waiter = task._fut_waiter
    is_gather = isinstance(waiter, asyncio.tasks._GatheringFuture)
    return is_gather and all(child.done() for child in waiter._children)

def finish(loop):
    # Interrupts that tasks have kept come out of the runs that follow.
    for _ in range(3):
        loop.call_soon(loop.stop)
        loop.run_forever()
    cancelled = set()
    # Servers that an interrupt has left open accept what is in their backlogs.
    while tasks := asyncio.all_tasks(loop) - cancelled:
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.wait(tasks, timeout=3))
        cancelled |= tasks
    waiting = [task for task in asyncio.all_tasks(loop) if not is_forgotten_by_gather(task)]
    assert not waiting, waiting
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()

def run_interrupted(loop):
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    before = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, 0.001 + chance.random() / 50)
    while time.monotonic() - before < 1:  # Unless a finalizer has got it.
        loop.run_until_complete(traffic(1, TRAFFIC[:-1]))

def is_interrupted(function, *arguments):
    try:
        function(*arguments)
    except KeyboardInterrupt:
        return True
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
    return False

def try_to_finish(loop):
    try:
        finish(loop)
    except RuntimeError as exc:  # By a stop() that was not reached when the interrupt came.
        assert "stopped before Future completed" in str(exc)

cxxloop.Loop().close()
interrupted = 0
for number in range(60):
    loop = cxxloop.Loop()
    loop.set_exception_handler(lambda *_: None)
    before = time.monotonic()
    interrupted += is_interrupted(run_interrupted, loop)
    assert not loop.is_running()
    assert time.monotonic() - before < 10
    for _ in range(5):
        if not loop.is_closed():
            is_interrupted(try_to_finish, loop)
    assert loop.is_closed()
    del loop
    gc.collect()
assert interrupted >= 50, interrupted
fds = [fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{{fd}}")]
left = [os.readlink(f"/proc/self/fd/{{fd}}") for fd in fds if int(fd) > 2]
# Nobody owns what was just made when an interrupt comes.
assert len(left) < 10, left
""",
        TMPDIR=str(tmp_path),  # An interrupt may leave a directory behind.
    )
    assert ended.status == 0, ended.err
