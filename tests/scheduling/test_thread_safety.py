"""call_soon_threadsafe() and what else other threads may do."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
import time
from collections import defaultdict
from typing import Any

import pytest

import cxxloop
from tests.scheduling.threads import join, start
from tests.support.loops import LOOP_FACTORIES, Failures, run, run_once

Loop = asyncio.AbstractEventLoop


def test_nothing_of_many_producers_is_lost_and_each_keeps_its_order(any_loop: Loop) -> None:
    producers, each = 16, 500
    got: dict[int, list[int]] = defaultdict(list)
    left = producers * each

    def take(producer: int, number: int) -> None:
        nonlocal left
        got[producer].append(number)
        left -= 1
        if not left:
            any_loop.stop()

    def produce(producer: int) -> None:
        for number in range(each):
            any_loop.call_soon_threadsafe(take, producer, number)
            if number % 100 == producer:
                time.sleep(0.001)  # Lets the loop fall asleep now and then.

    any_loop.call_later(15, any_loop.stop)
    threads = start(*[lambda p=p: produce(p) for p in range(producers)])
    any_loop.run_forever()
    join(threads)
    assert left == 0
    assert got == {producer: list(range(each)) for producer in range(producers)}


def test_each_wake_up_of_an_idle_loop_arrives(any_loop: Loop) -> None:
    """One at a time: each has to wake the loop by itself."""
    rounds = 300
    arrived = threading.Semaphore(0)
    lost: list[int] = []

    def produce() -> None:
        for number in range(rounds):
            any_loop.call_soon_threadsafe(arrived.release)
            if not arrived.acquire(timeout=5):
                lost.append(number)
                break
        any_loop.call_soon_threadsafe(any_loop.stop)

    threads = start(produce)
    any_loop.run_forever()
    join(threads)
    assert lost == []


def test_callback_is_woken_up_for_while_a_far_timer_is_awaited(any_loop: Loop) -> None:
    timer = any_loop.call_later(3600, print)
    running = threading.Event()
    any_loop.call_soon(running.set)

    def stop() -> None:
        assert running.wait(10)
        any_loop.call_soon_threadsafe(any_loop.stop)

    started = time.monotonic()
    threads = start(stop)
    any_loop.run_forever()
    join(threads)
    assert time.monotonic() - started < 10
    timer.cancel()


def test_handle_can_be_cancelled(any_loop: Loop) -> None:
    ran: list[str] = []
    handle = any_loop.call_soon_threadsafe(ran.append, "cancelled")
    assert isinstance(handle, asyncio.Handle)
    any_loop.call_soon_threadsafe(ran.append, "kept")
    handle.cancel()
    assert handle.cancelled()
    run_once(any_loop)
    assert ran == ["kept"]


def test_handle_cancelled_by_the_thread_that_made_it_does_not_run(any_loop: Loop) -> None:
    ran: list[str] = []
    hold, held = threading.Event(), threading.Event()

    def block() -> None:
        held.set()
        assert hold.wait(10)

    def schedule_and_cancel() -> None:
        assert held.wait(10)
        for _ in range(100):
            any_loop.call_soon_threadsafe(ran.append, "cancelled").cancel()
        any_loop.call_soon_threadsafe(any_loop.stop)
        hold.set()

    any_loop.call_soon(block)
    threads = start(schedule_and_cancel)
    any_loop.run_forever()
    join(threads)
    assert ran == []


def test_context_of_the_calling_thread_is_used(any_loop: Loop) -> None:
    import contextvars

    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []

    def schedule() -> None:
        variable.set("thread")
        any_loop.call_soon_threadsafe(lambda: seen.append(variable.get()))
        context = contextvars.copy_context()
        context.run(variable.set, "given")
        any_loop.call_soon_threadsafe(lambda: seen.append(variable.get()), context=context)

    join(start(schedule))
    run_once(any_loop)
    assert seen == ["thread", "given"]
    assert variable.get() == "unset"


def test_order_with_call_soon_is_that_of_the_calls(any_loop: Loop) -> None:
    ran: list[int] = []
    for number in range(0, 100, 2):
        any_loop.call_soon(ran.append, number)
        any_loop.call_soon_threadsafe(ran.append, number + 1)
    run_once(any_loop)
    assert ran == list(range(100))


def test_closed_loop_refuses_other_threads_too(any_loop: Loop) -> None:
    any_loop.close()
    errors: list[str] = []

    def schedule() -> None:
        with pytest.raises(RuntimeError) as caught:
            any_loop.call_soon_threadsafe(print)
        errors.append(str(caught.value))

    join(start(schedule))
    assert errors == ["Event loop is closed"]


def test_close_beside_producing_threads_refuses_or_takes(any_loop: Loop) -> None:
    for _ in range(20):
        made = type(any_loop)()
        started = threading.Barrier(3)

        def produce(made: Loop = made, started: threading.Barrier = started) -> None:
            started.wait(10)
            try:
                while True:
                    made.call_soon_threadsafe(int)
            except RuntimeError as exc:
                assert str(exc) == "Event loop is closed"

        threads = start(produce, produce)
        started.wait(10)
        made.call_soon(made.stop)
        made.run_forever()
        made.close()
        join(threads)


def test_stop_from_another_thread_ends_the_run(any_loop: Loop) -> None:
    for _ in range(20):
        threads = start(lambda: any_loop.call_soon_threadsafe(any_loop.stop))
        any_loop.run_forever()
        join(threads)
        assert not any_loop.is_running()


def test_failure_of_a_callback_of_another_thread_is_reported(any_loop: Loop) -> None:
    failures = Failures(any_loop)
    join(start(lambda: any_loop.call_soon_threadsafe(int, "no number")))
    run_once(any_loop)
    assert isinstance(failures.contexts[0]["exception"], ValueError)


def test_coroutines_of_other_threads_give_results_exceptions_and_can_be_cancelled(
    any_loop: Loop,
) -> None:
    outcomes: list[Any] = []

    async def fail() -> None:
        raise ZeroDivisionError("in the loop")

    async def forever(entered: threading.Event) -> None:
        entered.set()
        try:
            await any_loop.create_future()
        except asyncio.CancelledError:
            outcomes.append("cancelled")
            raise

    def submit() -> None:
        try:
            result = asyncio.run_coroutine_threadsafe(asyncio.sleep(0.001, "result"), any_loop)
            outcomes.append(result.result(10))
            with pytest.raises(ZeroDivisionError, match="^in the loop$"):
                asyncio.run_coroutine_threadsafe(fail(), any_loop).result(10)
            entered = threading.Event()
            endless = asyncio.run_coroutine_threadsafe(forever(entered), any_loop)
            assert entered.wait(10)
            endless.cancel()
            with pytest.raises(concurrent.futures.CancelledError):
                endless.result(10)
        finally:
            any_loop.call_soon_threadsafe(any_loop.stop)

    threads = start(submit)
    any_loop.run_forever()
    join(threads)
    run_once(any_loop)
    run_once(any_loop)
    assert outcomes == ["result", "cancelled"]


def test_threads_can_wait_for_many_coroutines_at_once(any_loop: Loop) -> None:
    results: list[int] = []

    def submit(first: int) -> None:
        for number in range(first, first + 50):
            future = asyncio.run_coroutine_threadsafe(asyncio.sleep(0, number), any_loop)
            results.append(future.result(10))

    async def main() -> None:
        await asyncio.gather(*[asyncio.to_thread(submit, 50 * number) for number in range(4)])

    run(any_loop, main())
    assert sorted(results) == list(range(200))


@pytest.mark.parametrize("other_name", sorted(LOOP_FACTORIES))
def test_two_loops_in_two_threads_talk_beside_a_busy_one(any_loop: Loop, other_name: str) -> None:
    """Both give up the GIL while they wait: neither starves beside the third thread."""
    other = LOOP_FACTORIES[other_name]()
    ended = threading.Event()

    def compute() -> None:
        while not ended.is_set():
            sum(range(1000))

    async def ping_pong(partner: Loop, left: int) -> int:
        if not left:
            return 0
        reply = asyncio.run_coroutine_threadsafe(asyncio.sleep(0, left), partner)
        assert await asyncio.wrap_future(reply) == left
        return 1 + await ping_pong(partner, left - 1)

    async def main() -> int:
        return await asyncio.wait_for(ping_pong(other, 5), 15)

    threads = start(compute, other.run_forever)
    try:
        assert any_loop.run_until_complete(main()) == 5
    finally:
        other.call_soon_threadsafe(other.stop)
        ended.set()
        join(threads)
    other.close()


def test_many_loops_in_many_threads_do_not_disturb_each_other(any_loop: Loop) -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(10):
                with asyncio.Runner(loop_factory=type(any_loop)) as runner:
                    assert runner.run(asyncio.sleep(0.001, "slept")) == "slept"
        except BaseException as exc:
            failures.append(exc)

    join(start(*[work] * 8))
    assert failures == []


def test_threads_may_ask_the_loop_about_itself(any_loop: Loop) -> None:
    seen: list[Any] = []

    def ask() -> None:
        seen.extend(
            [any_loop.is_running(), any_loop.is_closed(), any_loop.get_debug(), repr(any_loop)]
        )
        assert any_loop.time() <= time.monotonic()
        any_loop.call_soon_threadsafe(any_loop.stop)

    running = threading.Event()
    any_loop.call_soon(running.set)
    threads = start(lambda: (running.wait(10), ask()))
    any_loop.run_forever()
    join(threads)
    assert seen[:3] == [True, False, False]
    assert " running=True " in seen[3]


def test_signal_of_the_process_does_not_lose_wake_ups(loop: cxxloop.Loop) -> None:
    """Signals interrupt the wait; what other threads post has to arrive all the same."""
    import signal

    previous = signal.signal(signal.SIGUSR2, lambda *_: None)
    got: list[int] = []

    def produce() -> None:
        for number in range(300):
            signal.pthread_kill(main_thread, signal.SIGUSR2)
            loop.call_soon_threadsafe(got.append, number)
        loop.call_soon_threadsafe(loop.stop)

    main_thread = threading.get_ident()
    try:
        threads = start(produce)
        loop.run_forever()
        join(threads)
    finally:
        signal.signal(signal.SIGUSR2, previous)
    assert got == list(range(300))
