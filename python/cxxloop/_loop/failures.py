"""Exception handlers, their log lines, and the checks of debug mode."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import traceback
from asyncio import coroutines, format_helpers, tasks
from asyncio.log import logger
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object

_ExceptionHandler = Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object]

# From 3.12 on a custom handler runs in the context of what failed.
_HANDLER_RUNS_IN_CONTEXT = sys.version_info >= (3, 12)

if sys.version_info >= (3, 14):
    _iscoroutinefunction = inspect.iscoroutinefunction
else:
    _iscoroutinefunction = coroutines.iscoroutinefunction


def _format_handle(handle: asyncio.Handle) -> str:
    owner = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
    return repr(owner) if isinstance(owner, tasks.Task) else str(handle)


def _context_of(context: dict[str, Any]) -> Any:
    """The contextvars.Context that belongs to a failure, or None."""
    for key in ("task", "future", "handle"):
        thing = context.get(key)
        if thing is not None:
            return thing.get_context() if hasattr(thing, "get_context") else None
    return None


class FailuresMixin(LoopBase):
    """call_exception_handler() and its relatives."""

    _exception_handler: _ExceptionHandler | None

    def __init__(self) -> None:
        self._exception_handler = None
        super().__init__()

    def get_exception_handler(self) -> _ExceptionHandler | None:
        """Return the custom exception handler, or None."""
        return self._exception_handler

    def set_exception_handler(self, handler: _ExceptionHandler | None) -> None:
        """Set handler(loop, context) for failures that nobody else sees; None for the default.

        Raises TypeError when it isn't callable. Stands in for asyncio's
        loop.set_exception_handler().
        """
        if handler is not None and not callable(handler):
            raise TypeError(f"A callable object or None is expected, got {handler!r}")
        self._exception_handler = handler

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        """Log what `context` says of a failure to the logger 'asyncio'."""
        message = context.get("message") or "Unhandled exception in event loop"
        exception = context.get("exception")
        exc_info: Any = False
        if exception is not None:
            exc_info = (type(exception), exception, exception.__traceback__)
        current: Any = self._current_handle
        if current is not None and "source_traceback" not in context and current._source_traceback:
            context["handle_traceback"] = current._source_traceback
        log_lines = [message]
        for key in sorted(context):
            if key in {"message", "exception"}:
                continue
            value = context[key]
            if key == "source_traceback":
                stack = "".join(traceback.format_list(value))
                value = "Object created at (most recent call last):\n" + stack.rstrip()
            elif key == "handle_traceback":
                stack = "".join(traceback.format_list(value))
                value = "Handle created at (most recent call last):\n" + stack.rstrip()
            else:
                value = repr(value)
            log_lines.append(f"{key}: {value}")
        logger.error("\n".join(log_lines), exc_info=exc_info)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Call the custom exception handler, or the default one.

        `context` has 'message', and where known 'exception', 'future', 'task', 'handle',
        'protocol', 'transport', 'socket' and 'asyncgen'. Stands in for asyncio's
        loop.call_exception_handler().
        """
        if self._exception_handler is None:
            self._call_default_handler(context, "Exception in default exception handler")
            return
        try:
            owner = _context_of(context) if _HANDLER_RUNS_IN_CONTEXT else None
            if owner is not None and hasattr(owner, "run"):
                self._run_in(owner, self._exception_handler, context)
            else:
                self._exception_handler(self, context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as exc:
            self._call_default_handler(
                {
                    "message": "Unhandled error in exception handler",
                    "exception": exc,
                    "context": context,
                },
                "Exception in default exception handler "
                "while handling an unexpected error "
                "in custom exception handler",
            )

    def _run_in(self, owner: Any, handler: Any, context: dict[str, Any]) -> None:
        """Call the handler in the context of a task or handle."""
        begun = False

        def call() -> None:
            nonlocal begun
            begun = True
            handler(self, context)

        try:
            owner.run(call)
        except RuntimeError:
            if begun:
                raise
            # Entered already: the loop leaves a context only for another one, so it is still the
            # current one when a callback's last reference goes, and its task with it.
            handler(self, context)

    def _call_default_handler(self, context: dict[str, Any], if_that_fails: str) -> None:
        try:
            self.default_exception_handler(context)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException:
            logger.error(if_that_fails, exc_info=True)

    # Called by the native loop

    def _report_callback_failure(self, handle: asyncio.Handle, exc: BaseException) -> None:
        failed: Any = handle
        debug = {"debug": self.get_debug()} if _FORMAT_HAS_DEBUG else {}
        try:
            source = format_helpers._format_callback_source(
                failed._callback, failed._args or (), **debug
            )
        except Exception:
            # Of the two failures the one of the callback is worth a report.
            source = f"of type {type(failed._callback).__qualname__}, whose repr() fails, too"
        context = {
            "message": f"Exception in callback {source}",
            "exception": exc,
            "handle": handle,
        }
        if failed._source_traceback:
            context["source_traceback"] = failed._source_traceback
        self.call_exception_handler(context)

    def _report_slow_callback(self, handle: asyncio.Handle, seconds: float) -> None:
        logger.warning("Executing %s took %.3f seconds", _format_handle(handle), seconds)

    def _check_thread(self) -> None:
        """Raise RuntimeError when the loop runs in another thread. Debug mode only."""
        running_in = self._thread_id
        if running_in is not None and running_in != threading.get_ident():
            raise RuntimeError(
                "Non-thread-safe operation invoked on an event loop other than the current one"
            )

    def _check_callback(self, callback: object, method: str) -> None:
        """Raise TypeError for what can't be a callback. Debug mode only."""
        if coroutines.iscoroutine(callback) or _iscoroutinefunction(callback):
            raise TypeError(f"coroutines cannot be used with {method}()")
        if not callable(callback):
            raise TypeError(f"a callable object was expected by {method}(), got {callback!r}")


_FORMAT_HAS_DEBUG = "debug" in inspect.signature(format_helpers._format_callback_source).parameters
