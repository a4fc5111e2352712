"""Signals at any moment: nothing is lost, and KeyboardInterrupt leaves the loop usable."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.lifecycle.interpreters import FACTORIES, Ended

_TRAFFIC = """\
from tests.faults.operations import OPERATIONS
from tests.support.loops import close_loop
warnings.simplefilter("ignore", ResourceWarning)  # Of what an interrupt has cut short.

async def traffic(rounds):
    async with asyncio.timeout(50):
        for _ in range(rounds):
            for name in ("tcp", "unix", "datagrams", "pipes", "socket_operations", "threads"):
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
@pytest.mark.timeout(300)
@pytest.mark.skipif(
    "CXXLOOP_TEST_FAULTS" not in os.environ,
    reason="make faults: an interrupt in asyncio's own code still makes some of its tasks wait",
)
@pytest.mark.parametrize("seed", [7, 8])
def test_interrupt_leaves_the_loop_at_any_moment_and_it_can_be_closed(
    interpret_with_shim: Callable[..., Ended], seed: int
) -> None:
    """asyncio's own code may lose an interrupt, or wait for ever after one."""
    ended = interpret_with_shim(
        f"""{_TRAFFIC}
import random
chance = random.Random({seed})
sys.unraisablehook = lambda args: None  # An interrupt in a finalizer is nobody's.

def finish(loop):
    # Interrupts that tasks have kept come out of the runs that follow.
    for _ in range(3):
        loop.call_soon(loop.stop)
        loop.run_forever()
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.wait(tasks, timeout=5))
    close_loop(loop)

cxxloop.Loop().close()
interrupted = 0
for number in range(60):
    loop = cxxloop.Loop()
    loop.set_exception_handler(lambda *_: None)
    before = time.monotonic()
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.001 + chance.random() / 50)
        while time.monotonic() - before < 1:  # Unless a finalizer has got it.
            loop.run_until_complete(traffic(1))
    except KeyboardInterrupt:
        interrupted += 1
    signal.signal(signal.SIGALRM, signal.SIG_IGN)
    assert not loop.is_running()
    assert time.monotonic() - before < 10
    for _ in range(5):
        try:
            finish(loop)
        except KeyboardInterrupt:
            continue
        except RuntimeError as exc:  # By a stop() that was not reached when the interrupt came.
            assert "stopped before Future completed" in str(exc)
            continue
        break
    assert loop.is_closed()
    del loop
    gc.collect()
assert interrupted >= 50, interrupted
fds = [fd for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{{fd}}")]
left = [os.readlink(f"/proc/self/fd/{{fd}}") for fd in fds if int(fd) > 2]
# Nobody owns what was just made when an interrupt comes.
assert len(left) < 10, left
"""
    )
    assert ended.status == 0, ended.err
