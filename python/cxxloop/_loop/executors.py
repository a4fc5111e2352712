"""Executors: run_in_executor() and the default executor's life."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import sys
import threading
import warnings
from asyncio import futures, timeouts
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object


class ExecutorsMixin(LoopBase):
    """Functions that run in other threads or processes."""

    _default_executor: concurrent.futures.Executor | None
    _executor_shutdown_called: bool
    _resolver: concurrent.futures.ThreadPoolExecutor | None

    def __init__(self) -> None:
        self._default_executor = None
        self._executor_shutdown_called = False
        super().__init__()

    def run_in_executor(  # type: ignore[override]
        self,
        executor: concurrent.futures.Executor | None,
        func: Callable[..., Any],
        *args: Any,
    ) -> asyncio.Future[Any]:
        """Call func(*args) in an executor, the default one for None; return a future.

        Raises RuntimeError when the loop is closed or the default executor was shut down.
        Stands in for asyncio's loop.run_in_executor().
        """
        self._check_closed()
        if self.get_debug():
            self._check_callback(func, "run_in_executor")
        if executor is None:
            executor = self._default_executor
            self._check_default_executor()
            if executor is None:
                executor = concurrent.futures.ThreadPoolExecutor(thread_name_prefix="asyncio")
                self._default_executor = executor
        source = executor.submit(func, *args)
        if not isinstance(source, concurrent.futures.Future):
            return futures.wrap_future(source, loop=self)
        future = self.create_future()
        future.add_done_callback(partial(_cancel_source, source))
        source.add_done_callback(partial(_post_outcome, self, future))
        return future

    def set_default_executor(self, executor: concurrent.futures.Executor) -> None:
        """Set the ThreadPoolExecutor that run_in_executor(None, …) uses.

        Raises TypeError for another kind of executor. Stands in for asyncio's
        loop.set_default_executor().
        """
        if not isinstance(executor, concurrent.futures.ThreadPoolExecutor):
            raise TypeError("executor must be ThreadPoolExecutor instance")
        self._default_executor = executor

    def _check_default_executor(self) -> None:
        if self._executor_shutdown_called:
            raise RuntimeError("Executor shutdown has been called")

    async def _join_executors(self, timeout: float | None) -> None:
        self._executor_shutdown_called = True
        executors = [e for e in (self._default_executor, self._resolver) if e is not None]
        if not executors:
            return
        future = self.create_future()
        thread = threading.Thread(target=self._do_shutdown, args=(future, executors))
        thread.start()
        try:
            async with timeouts.timeout(timeout):
                await future
        except TimeoutError:
            warnings.warn(
                f"The executor did not finishing joining its threads within {timeout} seconds.",
                RuntimeWarning,
                stacklevel=3,
            )
            for executor in executors:
                executor.shutdown(wait=False)
        else:
            thread.join()

    if sys.version_info >= (3, 12):

        async def shutdown_default_executor(self, timeout: float | None = None) -> None:
            """Wait for the default executor's threads, at most `timeout` seconds.

            Warns when they don't finish in time. Stands in for asyncio's
            loop.shutdown_default_executor().
            """
            await self._join_executors(timeout)

    else:

        async def shutdown_default_executor(self) -> None:
            """Wait for the default executor's threads, as asyncio's loop does."""
            await self._join_executors(None)

    def _do_shutdown(
        self, future: asyncio.Future[None], executors: list[concurrent.futures.Executor]
    ) -> None:
        """Runs in a thread of its own."""
        try:
            for executor in executors:
                executor.shutdown(wait=True)
            if not self.is_closed():
                self.call_soon_threadsafe(_set_result_unless_cancelled, future, None)
        except Exception as exc:
            if not self.is_closed() and not future.cancelled():
                self.call_soon_threadsafe(future.set_exception, exc)

    def _abandon_executors(self) -> None:
        """Part of close(): nobody waits for the threads."""
        self._executor_shutdown_called = True
        executor, self._default_executor = self._default_executor, None
        if executor is not None:
            executor.shutdown(wait=False)


# The two halves of asyncio.wrap_future(), without the generality that costs.


def _cancel_source(source: concurrent.futures.Future[Any], future: asyncio.Future[Any]) -> None:
    if future.cancelled():
        source.cancel()


def _post_outcome(
    loop: ExecutorsMixin, future: asyncio.Future[Any], source: concurrent.futures.Future[Any]
) -> None:
    """Runs in the executor's thread."""
    if not loop.is_closed():
        with contextlib.suppress(RuntimeError):  # The loop was closed meanwhile.
            loop.call_soon_threadsafe(_take_outcome, future, source)


def _take_outcome(future: asyncio.Future[Any], source: concurrent.futures.Future[Any]) -> None:
    if future.cancelled():
        return
    if source.cancelled():
        future.cancel()
        return
    exception = source.exception()
    if exception is None:
        future.set_result(source.result())
    else:
        future.set_exception(futures._convert_future_exc(exception))  # type: ignore[attr-defined]


def _set_result_unless_cancelled(future: asyncio.Future[None], result: None) -> None:
    if not future.cancelled():
        future.set_result(result)
