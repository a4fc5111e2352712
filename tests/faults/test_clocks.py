"""The wall clock may jump, and time may pass anywhere: timers come in their order and time."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lifecycle.interpreters import FACTORIES, Ended


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES.keys())
@pytest.mark.parametrize("jump", [-1e8, -3600, 3600, 1e8])
def test_wall_clock_may_jump(
    interpret_with_shim: Callable[..., Ended], factory: str, jump: float
) -> None:
    ended = interpret_with_shim(
        f"""
loop = {factory}()
called = []

async def main():
    started = time.monotonic()
    wall = time.time()
    for number in range(5):
        loop.call_later(0.02 * number, called.append, number)
    far = loop.call_later(1000, called.append, "too early")
    loop.call_later(0.03, shim.shift_clock, {jump})
    async with asyncio.timeout(10):
        await asyncio.sleep(0.1)
    assert abs(time.time() - wall - {jump}) < 100  # It did jump.
    assert 0.1 <= time.monotonic() - started < 10
    assert abs(loop.time() - time.monotonic()) < 10
    assert called == list(range(5)), called
    far.cancel()
    await loop.run_in_executor(None, time.sleep, 0.01)

loop.run_until_complete(main())
loop.run_until_complete(loop.shutdown_default_executor())
loop.close()
"""
    )
    assert ended.status == 0, ended.err


@pytest.mark.parametrize("backend", ["epoll", "libuv"])
@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES.keys())
def test_timer_may_be_due_before_it_is_waited_for(
    interpret_with_shim: Callable[..., Ended], factory: str, backend: str
) -> None:
    """A millisecond passes while the wait is prepared."""
    ended = interpret_with_shim(
        f"""
loop = {factory}()

async def main():
    for delay in (0.0003, 0.001, 0.002, 0.004):
        await asyncio.sleep(delay)

shim.slow_clock(0.002)
loop.run_until_complete(main())
shim.slow_clock(0)
loop.close()
""",
        CXXLOOP_POLL_BACKEND=backend,
    )
    assert ended.status == 0, ended.err
