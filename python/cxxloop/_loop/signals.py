"""add_signal_handler() and remove_signal_handler()."""

from __future__ import annotations

import asyncio
import errno
import inspect
import signal
import sys
import warnings
from asyncio import coroutines
from asyncio.log import logger
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cxxloop._loop._base import LoopBase
else:
    LoopBase = object

if sys.version_info >= (3, 14):
    _iscoroutinefunction = inspect.iscoroutinefunction
else:
    _iscoroutinefunction = coroutines.iscoroutinefunction


def _do_nothing(signum: int, frame: object) -> None:
    """A handler that only makes Python write the number to the wake-up descriptor."""


class SignalsMixin(LoopBase):
    """Signal handlers that run as callbacks of the loop."""

    _signal_handlers: dict[int, asyncio.Handle]

    def __init__(self) -> None:
        self._signal_handlers = {}
        super().__init__()

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        """Call callback(*args) in the loop whenever the signal `sig` arrives.

        Raises ValueError for an invalid number, RuntimeError outside the main thread or for a
        signal that can't be caught. Stands in for asyncio's loop.add_signal_handler().
        """
        if coroutines.iscoroutine(callback) or _iscoroutinefunction(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        self._check_signal(sig)
        self._check_closed()
        try:
            signal.set_wakeup_fd(self._wakeup_fd)
        except (ValueError, OSError) as exc:
            raise RuntimeError(str(exc)) from exc
        self._keep_signals(True)
        self._signal_handlers[sig] = self._mint_handle(callback, args)
        try:
            signal.signal(sig, _do_nothing)
            signal.siginterrupt(sig, False)
        except OSError as exc:
            del self._signal_handlers[sig]
            self._release_signals_if_unused()
            if exc.errno == errno.EINVAL:
                raise RuntimeError(f"sig {sig} cannot be caught") from exc
            raise

    def remove_signal_handler(self, sig: int) -> bool:
        """Restore the default handler of `sig`; return whether the loop had one.

        Raises as add_signal_handler(). Stands in for asyncio's loop.remove_signal_handler().
        """
        self._check_signal(sig)
        try:
            del self._signal_handlers[sig]
        except KeyError:
            return False
        default = signal.default_int_handler if sig == signal.SIGINT else signal.SIG_DFL
        try:
            signal.signal(sig, default)
        except OSError as exc:
            if exc.errno == errno.EINVAL:
                raise RuntimeError(f"sig {sig} cannot be caught") from exc
            raise
        self._release_signals_if_unused()
        return True

    def _check_signal(self, sig: int) -> None:
        if not isinstance(sig, int):
            raise TypeError(f"sig must be an int, not {sig!r}")
        if sig not in signal.valid_signals():
            raise ValueError(f"invalid signal number {sig}")

    def _release_signals_if_unused(self) -> None:
        if self._signal_handlers:
            return
        self._keep_signals(False)
        if self.is_running():
            return  # The run restores the descriptor when it ends.
        try:
            signal.set_wakeup_fd(-1)
        except (ValueError, OSError) as exc:
            logger.info("set_wakeup_fd(-1) failed: %s", exc)

    def _handle_signal(self, sig: int) -> None:
        """Called by the native loop for every signal number that arrived."""
        handle = self._signal_handlers.get(sig)
        if handle is None:
            return
        if handle.cancelled():
            self.remove_signal_handler(sig)
        else:
            self._add_callback(handle)

    def _forget_signal_handlers(self) -> None:
        """Part of close()."""
        if not sys.is_finalizing():
            for sig in list(self._signal_handlers):
                self.remove_signal_handler(sig)
        elif self._signal_handlers:
            warnings.warn(
                f"Closing the loop {self!r} on interpreter shutdown "
                f"stage, skipping signal handlers removal",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )
            self._signal_handlers.clear()
