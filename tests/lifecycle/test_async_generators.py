"""Async generators: the loop finalises those that nobody finished."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from tests.support.loops import Failures, run, run_once

Loop = asyncio.AbstractEventLoop


async def counting(ended: list[str], name: str = "ended") -> AsyncGenerator[int, None]:
    number = 0
    try:
        while True:
            yield number
            number += 1
    finally:
        await asyncio.sleep(0)
        ended.append(name)


async def failing() -> AsyncGenerator[int, None]:
    try:
        yield 1
    finally:
        raise ZeroDivisionError("at the end")


def test_open_generators_are_closed_by_the_shutdown(any_loop: Loop) -> None:
    ended: list[str] = []
    kept = [counting(ended, name) for name in "abc"]

    async def main() -> None:
        for generator in kept:
            assert await anext(generator) == 0
        await any_loop.shutdown_asyncgens()
        assert sorted(ended) == ["a", "b", "c"]
        for generator in kept:
            with pytest.raises(StopAsyncIteration):
                await anext(generator)

    run(any_loop, main())


def test_shutdown_without_generators_does_nothing(any_loop: Loop) -> None:
    run(any_loop, any_loop.shutdown_asyncgens())
    any_loop.run_until_complete(any_loop.shutdown_asyncgens())


def test_finished_and_closed_generators_are_not_closed_again(any_loop: Loop) -> None:
    ended: list[str] = []

    async def main() -> None:
        generator = counting(ended)
        await anext(generator)
        await generator.aclose()
        await any_loop.shutdown_asyncgens()

    run(any_loop, main())
    assert ended == ["ended"]


def test_error_at_the_end_of_a_generator_is_reported(any_loop: Loop) -> None:
    failures = Failures(any_loop)
    ended: list[str] = []
    generators = [failing(), counting(ended), failing()]

    async def main() -> None:
        for generator in generators:
            await anext(generator)
        await any_loop.shutdown_asyncgens()

    run(any_loop, main())
    assert ended == ["ended"]
    assert len(failures.contexts) == 2
    for context in failures.contexts:
        assert set(context) == {"message", "exception", "asyncgen"}
        assert context["asyncgen"] in generators
        assert context["message"] == (
            f"an error occurred during closing of asynchronous generator {context['asyncgen']!r}"
        )
        assert isinstance(context["exception"], ZeroDivisionError)


def test_generator_that_is_dropped_is_finalised_by_the_loop(any_loop: Loop) -> None:
    ended: list[str] = []

    async def main() -> None:
        generator = counting(ended)
        await anext(generator)
        del generator
        gc.collect()
        assert ended == []
        for _ in range(4):
            await asyncio.sleep(0)
        assert ended == ["ended"]

    run(any_loop, main())


def test_generator_left_by_a_break_is_finalised(any_loop: Loop) -> None:
    ended: list[str] = []

    async def main() -> None:
        async for number in counting(ended):
            if number == 3:
                break
        while not ended:
            await asyncio.sleep(0)

    run(any_loop, main())


def test_generator_dropped_by_another_thread_is_finalised_by_the_loop(any_loop: Loop) -> None:
    threads: list[int] = []

    async def generator_of_thread() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            await asyncio.sleep(0)
            threads.append(threading.get_ident())

    async def main() -> None:
        holder = [generator_of_thread()]
        await anext(holder[0])
        thread = threading.Thread(target=holder.clear)
        thread.start()
        while not threads:  # The loop is asleep: it has to be woken up.
            await asyncio.sleep(0.001)
        thread.join()

    run(any_loop, main(), 10)
    assert threads == [threading.get_ident()]


def test_thread_that_drops_a_generator_wakes_the_idle_loop(any_loop: Loop) -> None:
    any_loop.call_later(10, any_loop.stop)
    ended: list[str] = []

    async def stopping() -> AsyncGenerator[int, None]:
        try:
            yield 1
        finally:
            ended.append("woken")
            any_loop.stop()

    holder: list[Any] = [stopping()]
    any_loop.run_until_complete(anext(holder[0]))
    thread = threading.Thread(target=holder.clear)
    any_loop.call_soon(thread.start)
    any_loop.run_forever()
    thread.join()
    assert ended == ["woken"]


def test_generator_in_a_cycle_is_finalised_when_collected(any_loop: Loop) -> None:
    ended: list[str] = []

    async def main() -> None:
        cycle: list[Any] = [counting(ended)]
        cycle.append(cycle)
        await anext(cycle[0])
        del cycle
        gc.collect()
        while not ended:
            await asyncio.sleep(0)

    run(any_loop, main())


def test_generator_dropped_between_runs_is_finalised_in_the_next(any_loop: Loop) -> None:
    ended: list[str] = []
    holder = [counting(ended)]

    async def start() -> None:
        await anext(holder[0])

    run(any_loop, start())
    holder.clear()
    assert ended == []
    for _ in range(4):
        run_once(any_loop)
    assert ended == ["ended"]


def test_generator_that_outlives_the_closed_loop_is_dropped(any_loop: Loop) -> None:
    async def plain() -> AsyncGenerator[int, None]:
        yield 1

    holder = [plain()]

    async def start() -> None:
        await anext(holder[0])

    run(any_loop, start())
    any_loop.close()
    holder.clear()
    gc.collect()


def test_generator_started_after_the_shutdown_warns(any_loop: Loop) -> None:
    async def main() -> None:
        await any_loop.shutdown_asyncgens()
        generator = counting([])
        message = (
            f"asynchronous generator {generator!r} was scheduled after "
            "loop.shutdown_asyncgens() call"
        )
        with pytest.warns(ResourceWarning) as caught:
            await anext(generator)
        assert [str(warning.message) for warning in caught] == [message]
        await generator.aclose()

    run(any_loop, main())


def test_hooks_are_the_loops_while_it_runs_and_the_callers_before_and_after(
    any_loop: Loop,
) -> None:
    before = sys.get_asyncgen_hooks()
    seen = []

    def first(generator: object) -> None: ...

    def last(generator: object) -> None: ...

    sys.set_asyncgen_hooks(first, last)
    try:
        any_loop.call_soon(lambda: seen.append(sys.get_asyncgen_hooks()))
        run_once(any_loop)
        assert tuple(sys.get_asyncgen_hooks()) == (first, last)

        def leave() -> None:
            raise KeyboardInterrupt

        any_loop.call_soon(leave)
        with pytest.raises(KeyboardInterrupt):
            any_loop.run_forever()
        assert tuple(sys.get_asyncgen_hooks()) == (first, last)
    finally:
        sys.set_asyncgen_hooks(*before)
    assert seen[0].firstiter not in (None, first)
    assert seen[0].finalizer not in (None, last)


def test_generator_keeps_no_reference_to_itself_in_the_loop(any_loop: Loop) -> None:
    import weakref

    async def main() -> None:
        generator = counting([])
        gone = weakref.ref(generator)
        await anext(generator)
        await generator.aclose()
        del generator
        gc.collect()
        assert gone() is None

    run(any_loop, main())


def test_run_closes_the_generators_that_are_left() -> None:
    import cxxloop

    ended: list[str] = []
    generator = counting(ended)

    async def main() -> None:
        await anext(generator)

    cxxloop.run(main())
    assert ended == ["ended"]


def test_generator_closed_while_it_runs_is_reported(any_loop: Loop) -> None:
    failures = Failures(any_loop)
    entered = asyncio.Event()

    async def waiting() -> AsyncGenerator[int, None]:
        entered.set()
        await any_loop.create_future()
        yield 1

    generator = waiting()

    async def main() -> None:
        task = any_loop.create_task(anext(generator))  # type: ignore[arg-type]
        await entered.wait()
        await any_loop.shutdown_asyncgens()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(any_loop, main())
    (context,) = failures.contexts
    assert isinstance(context["exception"], RuntimeError)
    assert str(context["exception"]) == "aclose(): asynchronous generator is already running"
