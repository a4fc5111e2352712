"""The wall clock may jump: timers, and everything that waits, go by the monotonic clock."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.lifecycle.interpreters import FACTORIES, Ended


@pytest.mark.parametrize("factory", FACTORIES.values(), ids=FACTORIES.keys())
@pytest.mark.parametrize("jump", [-1e8, -3600, 3600, 1e8])
def test_timers_come_in_their_order_and_time(
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
