"""call_later() and call_at(): deadlines, order, cancelling."""

from __future__ import annotations

import asyncio
import math
import random
import time
from fractions import Fraction
from typing import Any

import pytest

import cxxloop
from tests.support.loops import run, run_once

Loop = asyncio.AbstractEventLoop


def test_time_is_the_monotonic_clock(any_loop: Loop) -> None:
    """uvloop#29"""
    before = time.monotonic()
    now = any_loop.time()
    assert before <= now <= time.monotonic()
    readings = [any_loop.time() for _ in range(1000)]
    assert readings == sorted(readings)
    assert len(set(readings)) > 100  # Not in steps of a millisecond.


def test_time_goes_on_while_a_callback_runs(any_loop: Loop) -> None:
    """uvloop#359"""
    elapsed: list[float] = []

    def block() -> None:
        started = any_loop.time()
        time.sleep(0.05)
        elapsed.append(any_loop.time() - started)

    any_loop.call_soon(block)
    run_once(any_loop)
    assert elapsed[0] >= 0.05


def test_timers_never_fire_early(any_loop: Loop) -> None:
    """uvloop#739, uvloop#233"""
    early: list[tuple[float, float]] = []

    async def one(delay: float) -> None:
        started = time.monotonic()
        await asyncio.sleep(delay)
        if time.monotonic() - started < delay:
            early.append((delay, time.monotonic() - started))

    async def main() -> None:
        await asyncio.gather(*[one(random.uniform(0, 0.1)) for _ in range(2000)])

    run(any_loop, main())
    assert early == []


def test_callback_of_call_at_sees_a_time_that_is_not_before_its_deadline(any_loop: Loop) -> None:
    """cpython#127859"""
    left = 50
    early: list[float] = []

    def again(when: float) -> None:
        nonlocal left
        if any_loop.time() < when:
            early.append(when)
        left -= 1
        if left:
            next_when = any_loop.time() + 0.0003
            any_loop.call_at(next_when, again, next_when)
        else:
            any_loop.stop()

    any_loop.call_soon(again, 0.0)
    any_loop.run_forever()
    assert early == []


def test_timers_fire_in_the_order_of_their_deadlines(any_loop: Loop) -> None:
    fired: list[int] = []
    start = any_loop.time()
    order = list(range(500))
    random.shuffle(order)
    for number in order:
        any_loop.call_at(start + number * 1e-5, fired.append, number)
    any_loop.call_at(start + 0.01, any_loop.stop)
    any_loop.run_forever()
    assert fired == sorted(fired)
    assert len(fired) == 500


def test_timers_with_one_deadline_fire_in_the_order_of_their_scheduling(
    loop: cxxloop.Loop,
) -> None:
    fired: list[int] = []
    when = loop.time()
    for number in range(100):
        loop.call_at(when, fired.append, number)
    run_once(loop)
    assert fired == list(range(100))


@pytest.mark.parametrize("delay", [0, -1, 0.0, -0.5, -math.inf])
def test_a_delay_that_is_over_is_still_a_timer(any_loop: Loop, delay: float) -> None:
    """uvloop#482"""
    ran: list[bool] = []
    handle = any_loop.call_later(delay, ran.append, True)
    assert isinstance(handle, asyncio.TimerHandle)
    assert isinstance(handle.when(), float)
    run_once(any_loop)
    assert ran == [True]


@pytest.mark.parametrize("delay", [1e15, math.inf, 1e300, 2**40])
def test_a_very_long_delay_neither_overflows_nor_fires(any_loop: Loop, delay: float) -> None:
    """uvloop#289"""
    handle = any_loop.call_later(delay, any_loop.stop)
    any_loop.call_later(0.01, any_loop.stop)
    any_loop.run_forever()
    assert handle.when() >= delay
    handle.cancel()


def test_a_deadline_that_is_no_number_fires_at_once(loop: cxxloop.Loop) -> None:
    """zuvloop#76; asyncio's loop dies of it, from select()."""
    loop.call_later(math.nan, loop.stop)
    loop.run_forever()


def test_none_is_no_time(any_loop: Loop) -> None:
    with pytest.raises(TypeError, match="^delay must not be None$"):
        any_loop.call_later(None, print)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="^when cannot be None$"):
        any_loop.call_at(None, print)  # type: ignore[arg-type]


def test_text_is_no_delay(any_loop: Loop) -> None:
    with pytest.raises(TypeError):
        any_loop.call_later("1", print)  # type: ignore[arg-type]


def test_a_delay_beyond_every_float_overflows(any_loop: Loop) -> None:
    with pytest.raises(OverflowError):
        any_loop.call_later(10**400, print)


@pytest.mark.parametrize("when", [12345678901.25, 10**11, Fraction(10**11)])
def test_when_is_exactly_what_was_passed(any_loop: Loop, when: Any) -> None:
    handle = any_loop.call_at(when, print)
    assert handle.when() == when
    assert type(handle.when()) is type(when)
    handle.cancel()
    assert handle.when() == when


def test_when_is_known_after_firing(any_loop: Loop) -> None:
    """uvloop#469"""
    handle = any_loop.call_later(0, any_loop.stop)
    when = handle.when()
    any_loop.run_forever()
    assert handle.when() == when
    handle.cancel()
    assert handle.when() == when


def test_cancelled_timers_do_not_fire(any_loop: Loop) -> None:
    fired: list[int] = []
    handles = [any_loop.call_later(0.001, fired.append, number) for number in range(300)]
    for handle in handles[::3]:
        handle.cancel()
    any_loop.call_later(0.01, any_loop.stop)
    any_loop.run_forever()
    assert sorted(fired) == [number for number in range(300) if number % 3]


def test_a_timer_cancelled_by_another_of_the_same_turn_does_not_run(any_loop: Loop) -> None:
    ran: list[str] = []
    when = any_loop.time()
    handles: list[asyncio.Handle] = []
    any_loop.call_at(when - 1, lambda: handles[0].cancel())
    handles.append(any_loop.call_at(when, ran.append, "cancelled"))
    run_once(any_loop)
    assert ran == []


def test_cancelled_timers_free_their_callbacks_at_once(loop: cxxloop.Loop) -> None:
    """uvloop#201"""
    import weakref

    class Callback:
        def __call__(self) -> None: ...

    callback = Callback()
    gone = weakref.ref(callback)
    handle = loop.call_later(3600, callback)
    handle.cancel()
    del callback
    assert gone() is None


def test_random_scheduling_and_cancelling_matches_a_sorted_list(loop: cxxloop.Loop) -> None:
    chance = random.Random(7)
    start = loop.time()
    fired: list[tuple[float, int]] = []
    live: dict[int, tuple[asyncio.TimerHandle, float]] = {}
    for number in range(5000):
        when = start - 1 + chance.random() / 2
        live[number] = (loop.call_at(when, lambda w=when, n=number: fired.append((w, n))), when)
        if chance.random() < 0.5:
            victim = chance.choice(list(live))
            live.pop(victim)[0].cancel()
    run_once(loop)
    assert fired == sorted((when, number) for number, (_, when) in live.items())


def test_timers_compare_and_hash_as_asyncios(any_loop: Loop) -> None:
    early = any_loop.call_at(1e9, print, 1)
    late = any_loop.call_at(2e9, print, 1)
    assert early < late and late > early and early <= late and late >= early
    assert early != late
    assert hash(early) == hash(1e9)
    assert early == any_loop.call_at(1e9, print, 1)
    assert early != any_loop.call_at(1e9, print, 2)


def test_idle_timers_cost_few_turns(loop: cxxloop.Loop) -> None:
    """A timer that is moved ahead again and again must not make the loop spin."""
    turns = 0
    timers: list[asyncio.TimerHandle] = []

    def rearm() -> None:
        nonlocal turns
        turns += 1
        while timers:
            timers.pop().cancel()
        timers.extend(loop.call_later(30 + n, print) for n in range(20))

    rearm()
    loop.call_later(0.05, rearm)
    loop.call_later(0.1, loop.stop)
    loop.run_forever()
    assert turns == 2
