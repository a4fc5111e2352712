"""Runs a scenario and writes down all that a program can see of it."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

from tests.support.loops import LOOP_FACTORIES, Failures, close_loop, run
from tests.support.protocols import Recorder

Scenario = Callable[["Trace"], Awaitable[None]]


class Trace:
    """Lines of text: callbacks, exceptions, what the loop reports, what it logs."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)

    def note_exception(self, what: str, exc: BaseException | None) -> None:
        text = re.sub(r"0x[0-9a-f]+|\(_ssl\.c:\d+\)", "…", str(exc))
        self.note(f"{what}: {type(exc).__name__}: {text}" if exc is not None else f"{what}: None")

    async def outcome(self, what: str, awaitable: Awaitable[Any]) -> Any:
        """Waits, and notes how it ends; returns the result, if there is one."""
        try:
            result = await awaitable
        except Exception as exc:
            self.note_exception(what, exc)
            return None
        self.note(f"{what}: done")
        return result


class Traced(Recorder):
    """Notes each call; `actions` are run in the middle of the calls they are named after."""

    def __init__(self, trace: Trace, **actions: Callable[[Any], Any]) -> None:
        super().__init__(trace.loop)
        self.trace = trace
        self.actions = actions

    def _note(self, call: str) -> None:
        super()._note(call)
        self.trace.note(call)

    def _act(self, call: str) -> None:
        if call in self.actions:
            self.trace.note(f"{call} acts")
            self.actions[call](self.transport)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._act("connection_made")

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self.trace.note(f"{len(data)} bytes")
        self._act("data_received")

    def eof_received(self) -> bool:
        super().eof_received()
        self._act("eof_received")
        return self.keep_open_at_eof

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if isinstance(exc, (BrokenPipeError, ConnectionResetError)):
            self.trace.note("lost: reset")  # Whether writing or reading finds out is chance.
        else:
            self.trace.note_exception("lost", exc)
        self.trace.note(f"closing: {self.transport.is_closing()}")
        self._act("connection_lost")


class _Handler(logging.Handler):
    """Notes what asyncio logs, without addresses, times and class names."""

    def __init__(self, trace: Trace) -> None:
        super().__init__()
        self.trace = trace

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.startswith(("Using selector", "Close <", "poll ")):
            return  # The loop itself.
        text = re.sub(r"<[\w.]+ object at 0x[0-9a-f]+>", "<object>", text)
        text = re.sub(r"<\w+Transport fd=\d+", "<transport", text)
        text = re.sub(r"\bfd=\d+", "fd=…", text)
        text = re.sub(r"[0-9.]+ ms", "… ms", text)
        self.trace.note(f"{record.levelname}: {text}{' with traceback' * bool(record.exc_info)}")


def run_traced(scenario: Scenario, kind: str, *, debug: bool = False) -> list[str]:
    """The lines of one run on the loop of that name."""
    loop = LOOP_FACTORIES[kind]()
    loop.set_debug(debug)
    loop.slow_callback_duration = 100
    trace = Trace(loop)
    failures = Failures(loop)
    logger = logging.getLogger("asyncio")
    handler, level = _Handler(trace), logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)

    async def main() -> None:
        await scenario(trace)

    try:
        run(loop, main())
    except BaseException as exc:
        trace.note_exception("left the loop", exc)
    finally:
        close_loop(loop)
        logger.removeHandler(handler)
        logger.setLevel(level)
    for context in failures.contexts:
        names = ", ".join(sorted(context))
        trace.note_exception(f"{context['message']} [{names}]", context.get("exception"))
    return trace.lines
