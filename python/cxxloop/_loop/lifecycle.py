"""Running and closing the loop, and the async generators that live in it."""

from __future__ import annotations

import asyncio
import os
import sys
import warnings
import weakref
from asyncio import coroutines, events, futures, tasks
from asyncio.log import logger
from collections.abc import AsyncGenerator, Awaitable, Generator
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object

T = TypeVar("T")

_DEBUG_STACK_DEPTH = 10  # as asyncio.constants
_EXITS = (SystemExit, KeyboardInterrupt)


def _stop_when_done(future: asyncio.Future[Any]) -> None:
    """Stop the loop that ran until this future was done."""
    if not future.cancelled() and isinstance(future.exception(), _EXITS):
        return  # It leaves run_forever() by itself; stop() would end the next run.
    future.get_loop().stop()


def _before_fork() -> None:
    """Send what was written and is held back, or both processes would."""
    loop = events._get_running_loop()
    if isinstance(loop, LifecycleMixin):
        loop._send_held_back()


os.register_at_fork(before=_before_fork)


class LifecycleMixin(LoopBase):
    """run_forever() and what surrounds it."""

    _asyncgens: weakref.WeakSet[AsyncGenerator[Any, Any]]
    _asyncgens_shutdown_called: bool
    _origin_tracking_saved_depth: int | None

    def __init__(self) -> None:
        super().__init__()
        self._asyncgens = weakref.WeakSet()
        self._asyncgens_shutdown_called = False
        self._origin_tracking_saved_depth = None
        self._creator_pid = os.getpid()
        self.set_debug(coroutines._is_debug_mode())  # type: ignore[attr-defined]

    def __repr__(self) -> str:
        return (
            f"<{self.__class__.__name__} running={self.is_running()} "
            f"closed={self.is_closed()} debug={self.get_debug()}>"
        )

    def __del__(self, _warn: Any = warnings.warn) -> None:
        try:
            closed = self.is_closed()
        except RuntimeError:  # __init__() never ran to its end
            return
        if not closed:
            _warn(f"unclosed event loop {self!r}", ResourceWarning, source=self)
            if not self.is_running():
                self.close()

    def _check_running(self) -> None:
        if self.is_running():
            raise RuntimeError("This event loop is already running")
        if events._get_running_loop() is not None:
            raise RuntimeError("Cannot run the event loop while another loop is running")

    def run_forever(self) -> None:
        """Run until stop() is called.

        Raises RuntimeError when this or another loop already runs in this thread. SystemExit
        and KeyboardInterrupt leave it from every callback. Stands in for asyncio's
        loop.run_forever().
        """
        self._check_closed()
        self._check_running()
        if self.get_debug():
            self._set_coroutine_origin_tracking(True)
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook)
        try:
            self._run()
        finally:
            sys.set_asyncgen_hooks(*hooks)
            if self._origin_tracking_saved_depth is not None:
                self._set_coroutine_origin_tracking(False)

    def run_until_complete(self, future: Generator[Any, None, T] | Awaitable[T]) -> T:
        """Run until `future`, a future or a coroutine, is done; return its result.

        Raises its exception, or RuntimeError when the loop was stopped before. Stands in for
        asyncio's loop.run_until_complete().
        """
        self._check_closed()
        self._check_running()
        new_task = not futures.isfuture(future)
        task: asyncio.Future[T] = tasks.ensure_future(future, loop=self)  # type: ignore[arg-type]
        if new_task:
            # The caller learns about an unfinished one from the RuntimeError below.
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        task.add_done_callback(_stop_when_done)
        try:
            self.run_forever()
        except BaseException:
            if new_task and task.done() and not task.cancelled():
                task.exception()  # Has been seen: the caller has no access to the task.
            raise
        finally:
            task.remove_done_callback(_stop_when_done)
        if not task.done():
            raise RuntimeError("Event loop stopped before Future completed.")
        return task.result()

    def close(self) -> None:
        """Close the loop; what waits in it is dropped, executor threads aren't waited for.

        Raises RuntimeError when the loop runs. Stands in for asyncio's loop.close().
        """
        if self.is_running():
            raise RuntimeError("Cannot close a running event loop")
        if self.is_closed():
            return
        if self.get_debug():
            logger.debug("Close %r", self)
        self._forget_signal_handlers()
        self._close()
        self._abandon_executors()

    # Debug mode

    def set_debug(self, enabled: bool) -> None:
        """Switch debug mode on or off, as asyncio's loop.set_debug()."""
        self._set_debug(bool(enabled))
        if self.is_running():
            self.call_soon_threadsafe(self._set_coroutine_origin_tracking, enabled)

    def _set_coroutine_origin_tracking(self, enabled: bool) -> None:
        if bool(enabled) == (self._origin_tracking_saved_depth is not None):
            return
        if enabled:
            self._origin_tracking_saved_depth = sys.get_coroutine_origin_tracking_depth()
            sys.set_coroutine_origin_tracking_depth(_DEBUG_STACK_DEPTH)
        else:
            assert self._origin_tracking_saved_depth is not None
            sys.set_coroutine_origin_tracking_depth(self._origin_tracking_saved_depth)
            self._origin_tracking_saved_depth = None

    # Async generators

    def _asyncgen_firstiter_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        if self._asyncgens_shutdown_called:
            warnings.warn(
                f"asynchronous generator {agen!r} was scheduled after "
                f"loop.shutdown_asyncgens() call",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )
        self._asyncgens.add(agen)

    def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        self._asyncgens.discard(agen)
        if not self.is_closed():
            self.call_soon_threadsafe(self.create_task, agen.aclose())

    async def shutdown_asyncgens(self) -> None:
        """Close all async generators that are still open, as asyncio's loop does."""
        self._asyncgens_shutdown_called = True
        if not self._asyncgens:
            return
        open_generators = list(self._asyncgens)
        self._asyncgens.clear()
        results = await tasks.gather(
            *[agen.aclose() for agen in open_generators], return_exceptions=True
        )
        for result, agen in zip(results, open_generators, strict=True):
            if isinstance(result, Exception):
                self.call_exception_handler(
                    {
                        "message": "an error occurred during closing of "
                        f"asynchronous generator {agen!r}",
                        "exception": result,
                        "asyncgen": agen,
                    }
                )
