"""run_in_executor() and the default executor's end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextvars
import functools
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.loops import FUTURES_REFUSE_STOP_ITERATION, Failures, run

Loop = asyncio.AbstractEventLoop
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")


class Holder:
    def method(self, *args: int) -> int:
        return sum(args)

    @classmethod
    def class_method(cls, *args: int) -> int:
        return sum(args)

    @staticmethod
    def static_method(*args: int) -> int:
        return sum(args)

    def __call__(self, *args: int) -> int:
        return sum(args)


@functools.lru_cache
def cached(*args: int) -> int:
    return sum(args)


@pytest.mark.parametrize("debug", [False, True], ids=["plain", "debug"])
@pytest.mark.parametrize(
    "function",
    [
        lambda *args: sum(args),
        functools.partial(lambda *args, extra: sum(args) + extra, extra=0),
        max,
        cached,
        Holder().method,
        Holder.class_method,
        Holder.static_method,
        Holder(),
    ],
)
def test_every_kind_of_callable_runs_in_a_thread(
    any_loop: Loop, function: Callable[..., int], debug: bool
) -> None:
    any_loop.set_debug(debug)

    async def main() -> int:
        return await any_loop.run_in_executor(None, function, 0, 7)

    assert run(any_loop, main()) == 7


def test_default_executor_has_threads_of_its_own(any_loop: Loop) -> None:
    async def main() -> list[str]:
        work = [
            any_loop.run_in_executor(None, lambda: threading.current_thread().name)
            for _ in range(3)
        ]
        return await asyncio.gather(*work)

    names = run(any_loop, main())
    assert all(name.startswith("asyncio_") for name in names)


def test_work_given_before_the_run_is_done_in_it(any_loop: Loop) -> None:
    future = any_loop.run_in_executor(None, int, "42")
    assert isinstance(future, asyncio.Future)
    assert any_loop.run_until_complete(future) == 42


def test_exception_of_the_function_is_raised(any_loop: Loop) -> None:
    def fail() -> None:
        raise ZeroDivisionError("in a thread")

    async def main() -> None:
        with pytest.raises(ZeroDivisionError, match="^in a thread$"):
            await any_loop.run_in_executor(None, fail)

    run(any_loop, main())


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (concurrent.futures.CancelledError("text"), asyncio.CancelledError),
        (concurrent.futures.InvalidStateError("text"), asyncio.InvalidStateError),
        (TimeoutError("text"), TimeoutError),
        (KeyboardInterrupt("text"), KeyboardInterrupt),
    ],
)
def test_exceptions_of_concurrent_futures_become_asyncios(
    any_loop: Loop, raised: BaseException, expected: type[BaseException]
) -> None:
    def fail() -> None:
        raise raised

    async def main() -> None:
        with pytest.raises(expected, match="^text$"):
            await any_loop.run_in_executor(None, fail)

    run(any_loop, main())


@pytest.mark.skipif(
    FUTURES_REFUSE_STOP_ITERATION,
    reason="this version's futures refuse it: the one of the work is never done",
)
def test_stop_iteration_of_the_function_becomes_a_runtime_error(any_loop: Loop) -> None:
    def fail() -> None:
        raise StopIteration

    async def main() -> None:
        with pytest.raises(RuntimeError, match="StopIteration"):
            await any_loop.run_in_executor(None, fail)

    run(any_loop, main())


def test_cancelled_before_its_start_the_function_does_not_run(any_loop: Loop) -> None:
    release = threading.Event()
    ran: list[str] = []

    async def main() -> None:
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            first = any_loop.run_in_executor(pool, release.wait, 15)
            second = any_loop.run_in_executor(pool, ran.append, "second")
            await asyncio.sleep(0)
            second.cancel()
            await asyncio.sleep(0)
            release.set()
            with pytest.raises(asyncio.CancelledError):
                await second
            assert await first is True

    run(any_loop, main())
    assert ran == []


def test_cancelled_while_it_runs_the_function_goes_on_unseen(any_loop: Loop) -> None:
    failures = Failures(any_loop)
    release, started = threading.Event(), threading.Event()

    def work() -> None:
        started.set()
        release.wait(15)
        raise ZeroDivisionError

    async def main() -> None:
        future = any_loop.run_in_executor(None, work)
        await asyncio.to_thread(started.wait, 15)
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future
        release.set()
        await any_loop.shutdown_default_executor()
        await asyncio.sleep(0.001)

    run(any_loop, main())
    assert failures.contexts == []


def test_executor_that_cancels_its_work_cancels_the_future(any_loop: Loop) -> None:
    release = threading.Event()

    async def main() -> None:
        pool = concurrent.futures.ThreadPoolExecutor(1)
        first = any_loop.run_in_executor(pool, release.wait, 15)
        second = any_loop.run_in_executor(pool, int)
        pool.shutdown(wait=False, cancel_futures=True)
        with pytest.raises(asyncio.CancelledError):
            await second
        release.set()
        await first

    run(any_loop, main())


def test_context_variables_are_for_to_thread_only(any_loop: Loop) -> None:
    async def main() -> tuple[str, str]:
        variable.set("set")
        return (
            await any_loop.run_in_executor(None, variable.get),
            await asyncio.to_thread(variable.get),
        )

    assert run(any_loop, main()) == ("unset", "set")


def test_own_executor_is_used_when_set(any_loop: Loop) -> None:
    async def main() -> str:
        return await any_loop.run_in_executor(None, lambda: threading.current_thread().name)

    any_loop.set_default_executor(
        concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="mine")
    )
    assert run(any_loop, main()) == "mine_0"


@pytest.mark.parametrize("wrong", [None, 42, concurrent.futures.Executor()])
def test_default_executor_has_to_be_one_of_threads(any_loop: Loop, wrong: Any) -> None:
    with pytest.raises(TypeError, match="^executor must be ThreadPoolExecutor instance$"):
        any_loop.set_default_executor(wrong)


def test_executor_of_another_kind_may_be_passed(any_loop: Loop) -> None:
    class Immediate(concurrent.futures.Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            future: concurrent.futures.Future[Any] = concurrent.futures.Future()
            future.set_result(fn(*args, **kwargs))
            return future

    async def main() -> int:
        return await any_loop.run_in_executor(Immediate(), int, "7")

    assert run(any_loop, main()) == 7


def test_executor_without_futures_is_refused(any_loop: Loop) -> None:
    class Wrong(concurrent.futures.Executor):
        def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
            return "no future"

    with pytest.raises(AssertionError, match="^concurrent.futures.Future is expected, got "):
        any_loop.run_in_executor(Wrong(), int)


def test_executor_that_was_shut_down_says_so(any_loop: Loop) -> None:
    pool = concurrent.futures.ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.raises(RuntimeError, match="^cannot schedule new futures after shutdown$"):
        any_loop.run_in_executor(pool, int)


def test_default_executor_is_over_after_its_shutdown(any_loop: Loop) -> None:
    async def main() -> None:
        await any_loop.run_in_executor(None, int)
        await any_loop.shutdown_default_executor()
        with pytest.raises(RuntimeError, match="^Executor shutdown has been called$"):
            await any_loop.run_in_executor(None, int)
        with pytest.raises(RuntimeError, match="^Executor shutdown has been called$"):
            await asyncio.to_thread(int)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert await any_loop.run_in_executor(pool, int) == 0
        await any_loop.shutdown_default_executor()

    run(any_loop, main())


def test_shutdown_of_an_executor_never_used_makes_none(any_loop: Loop) -> None:
    threads = threading.active_count()
    run(any_loop, any_loop.shutdown_default_executor())
    assert threading.active_count() == threads


def test_shutdown_waits_for_the_work(any_loop: Loop) -> None:
    done: list[bool] = []

    def work() -> None:
        time.sleep(0.03)
        done.append(True)

    any_loop.run_in_executor(None, work)
    run(any_loop, any_loop.shutdown_default_executor())
    assert done == [True]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="no timeout before 3.12")
def test_shutdown_gives_up_after_its_timeout(any_loop: Loop) -> None:
    if isinstance(any_loop, asyncio.SelectorEventLoop) and sys.version_info < (3, 13):
        pytest.skip("3.12.1's waits for the work before it looks at the timeout")
    release = threading.Event()
    any_loop.run_in_executor(None, release.wait, 15)
    shutdown = any_loop.shutdown_default_executor(0.02)  # type: ignore[call-arg]
    message = r"^The executor did not finishing joining its threads within 0\.02 seconds\.$"
    with pytest.warns(RuntimeWarning, match=message):
        run(any_loop, shutdown)
    release.set()


def test_result_that_comes_after_close_is_dropped(any_loop: Loop) -> None:
    release, started = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def work() -> None:
        threads.append(threading.current_thread())
        started.set()
        release.wait(15)

    future = any_loop.run_in_executor(None, work)
    assert started.wait(15)
    any_loop.close()
    release.set()
    threads[0].join(15)
    assert not threads[0].is_alive()
    assert not future.done()


def test_thousands_of_small_jobs_are_done(any_loop: Loop) -> None:
    async def main() -> int:
        return sum(
            await asyncio.gather(
                *[any_loop.run_in_executor(None, int, number) for number in range(2000)]
            )
        )

    assert run(any_loop, main()) == sum(range(2000))
