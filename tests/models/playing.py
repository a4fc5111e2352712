"""Plays a script on one kind of loop and writes down everything that a program can see of it.

What the kernel does in its own time is waited for, so that a script has one outcome: the two
kinds of loops are compared line by line.
"""

from __future__ import annotations

import asyncio
import difflib
import gc
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import HealthCheck, settings

from tests.support.loops import LOOP_FACTORIES, Failures, close_loop

# How many scripts a test plays: `make models ARGS=5000` plays many, others than the time before.
EXAMPLES = int(os.environ.get("CXXLOOP_MODEL_EXAMPLES", "0"))

LoopFactory = Callable[[], asyncio.AbstractEventLoop]

_QUIET = 0.0005  # seconds without an event: nothing is under way between sockets of one machine
_TICKS = 4


def examples(usual: int) -> settings:
    """Plays so many scripts, always the same ones; or as many as are asked for, at random."""
    return settings(
        max_examples=EXAMPLES or usual,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )


class Player:
    """A loop, and the lines of what happens on it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, *, debug: bool) -> None:
        self.loop = loop
        self.loop.set_debug(debug)
        self.loop.slow_callback_duration = 100
        self.lines: list[str] = []
        self.crowd = 0  # callbacks that do nothing, in each turn
        self.failures = Failures(self.loop)

    def note(self, line: str) -> None:
        self.lines.append(line)

    def attempt(self, what: str, call: Callable[[], Any]) -> Any:
        """Calls, and notes the result or the exception."""
        try:
            result = call()
        except Exception as exc:
            self.note(f"{what}: {text_of(exc)}")
            return None
        self.note(what if result is None else f"{what}: {result!r}")
        return result

    def turn(self) -> None:
        """One turn; an exit that leaves the loop is noted."""
        for _ in range(self.crowd):
            self.loop.call_soon(int)
        self.loop.call_soon(self.loop.stop)
        self._run()

    def settle(self, ticks: int = _TICKS) -> None:
        """Runs until nothing happens any more. Ticks show the turn in which something did."""
        for number in range(ticks):
            self.note(f"tick {number}")
            self.turn()
        before = -1
        while before != len(self.lines):
            before = len(self.lines)
            timer = self.loop.call_later(_QUIET, self.loop.stop)
            self._run()
            timer.cancel()
            for _ in range(_TICKS):  # The timer may have been due at once on a busy machine.
                self.turn()

    def _run(self) -> None:
        try:
            self.loop.run_forever()
        except BaseException as exc:
            self.note(f"left the loop: {text_of(exc)}")
            if not isinstance(exc, (SystemExit, KeyboardInterrupt)):
                raise

    def close(self) -> None:
        try:
            for _ in range(3):
                self.turn()
        finally:
            close_loop(self.loop)
        for context in self.failures.contexts:
            names = ", ".join(sorted(context))
            # What the handle calls is the loop's own affair.
            message = re.sub(r"(in callback) .*", r"\1", context["message"])
            self.note(f"{message} [{names}]: {text_of(context.get('exception'))}")
        # What an exception refers to would be found in the trace of whoever collects next.
        self.failures.contexts.clear()


def text_of(exc: BaseException | None) -> str:
    """An exception's type and text, without what differs from run to run."""
    if exc is None:
        return "None"
    return f"{type(exc).__name__}: {plain(str(exc))}"


def outcome_of(task: asyncio.Task[Any]) -> str:
    """How a task has ended, or that it has not."""
    if not task.done():
        return "waits"
    return "cancelled" if task.cancelled() else text_of(task.exception())


def plain(text: str) -> str:
    """Without addresses, descriptors and the names of the classes of transports."""
    text = re.sub(r"0x[0-9a-f]+|\(_ssl\.c:\d+\)", "…", text)
    text = re.sub(r"\b_?(?:Selector)?(?:Stream|Socket|Datagram)Transport\b", "Transport", text)
    return re.sub(r"\bfd=\d+|\bfd \d+|descriptor \d+", "fd …", text)


class _LogLines(logging.Handler):
    def __init__(self, note: Callable[[str], None]) -> None:
        super().__init__()
        self.note = note

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            self.note(f"{record.levelname}: {plain(record.getMessage())}")


@contextmanager
def playing(
    kind: str, *, debug: bool = False, factory: LoopFactory | None = None
) -> Iterator[Player]:
    """A player, closed in the end; what asyncio logs and what warns is noted as well."""
    player = Player((factory or LOOP_FACTORIES[kind])(), debug=debug)
    handler, logger = _LogLines(player.note), logging.getLogger("asyncio")
    logger.addHandler(handler)
    propagates, logger.propagate = logger.propagate, False
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                yield player
            finally:
                player.close()
                gc.collect(0)
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagates
    player.lines.extend(f"{w.category.__name__}: {plain(str(w.message))}" for w in caught)


def compare(play: Callable[[str], list[str]]) -> None:
    """Plays on both kinds of loops, which have to agree on every line."""
    expected, lines = play("asyncio"), play("cxxloop")
    if lines != expected:
        differences = difflib.unified_diff(expected, lines, "asyncio", "cxxloop", lineterm="", n=8)
        raise AssertionError("\n".join(["the loops disagree", *differences]))
