"""Loops whose time() is overridden or patched schedule by that clock."""

from __future__ import annotations

import asyncio
from unittest import mock

import pytest

import cxxloop


class FakeClock:
    """A clock that only moves when it is told to, as test libraries have it."""

    now = 1000.0

    def time(self) -> float:
        return self.now


@pytest.mark.parametrize("base", [asyncio.SelectorEventLoop, cxxloop.Loop])
def test_overridden_time_moves_timers(base: type) -> None:
    class Faked(FakeClock, base):  # type: ignore[misc]
        pass

    loop = Faked()
    fired: list[float] = []
    handle = loop.call_later(5000, lambda: (fired.append(loop.time()), loop.stop()))
    assert handle.when() == 6000.0

    def advance() -> None:
        loop.now += 2000
        loop.call_soon(advance)

    loop.call_soon(advance)
    loop.run_forever()
    assert fired == [9000.0]  # Due when the turn at 7000 begins, after its callback moved on.
    loop.close()


@pytest.mark.parametrize("base", [asyncio.SelectorEventLoop, cxxloop.Loop])
def test_time_patched_on_the_object_is_used_until_it_is_restored(base: type) -> None:
    loop = base()
    with mock.patch.object(loop, "time", return_value=5.0):
        assert loop.call_later(1, print).when() == 6.0
    assert loop.call_later(1, print).when() == pytest.approx(loop.time() + 1, abs=1)
    loop.close()


def test_time_patched_on_the_class_is_used_until_it_is_restored() -> None:
    loop = cxxloop.Loop()
    before = loop.call_later(1, print).when()
    with mock.patch.object(cxxloop.Loop, "time", lambda self: 5.0):
        assert loop.call_later(1, print).when() == 6.0
    assert loop.call_later(1, print).when() >= before
    loop.close()


def test_failing_clock_reports_its_error() -> None:
    class Broken(cxxloop.Loop):
        def time(self) -> float:
            raise ZeroDivisionError

    loop = Broken()
    with pytest.raises(ZeroDivisionError):
        loop.call_later(1, print)
    loop.close()
