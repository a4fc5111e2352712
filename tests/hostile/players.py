"""Protocols that act in one of their callbacks, and tell all that happens to them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any

from tests.hostile.acts import VARIABLE, Act

Loop = asyncio.AbstractEventLoop


def shown(exc: BaseException | None) -> str:
    if exc is None:
        return "None"
    try:
        text = re.sub(r"0x[0-9a-f]+|\(_ssl\.c:\d+\)|fd=\d+|descriptor \d+", "…", str(exc))
    except Exception:
        text = "unprintable"
    if "is used by transport" in text:
        text = "used by transport"
    return f"{type(exc).__name__}: {text}"


class Play:
    """A trace of what a program can see of one loop."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.lines: list[str] = []
        loop.set_exception_handler(self._report)

    def note(self, line: str) -> None:
        self.lines.append(line)

    def _report(self, _: Loop, context: dict[str, Any]) -> None:
        message = re.sub(r"(Exception in callback).*", r"\1", context["message"])
        keys = sorted(set(context) - {"source_traceback", "handle_traceback"})
        self.note(f"reported: {message} {keys} {shown(context.get('exception'))}")

    def turns(self, count: int = 12) -> None:
        """Lets the loop go round, whatever leaves it."""
        for _ in range(count):
            if self.loop.is_closed():
                return
            try:
                self.loop.call_soon(self.loop.stop)
                self.loop.run_forever()
            except BaseException as exc:
                self.note(f"left: {shown(exc)}")


class Player:
    """Acts the first times that a callback is called; mixed into a protocol."""

    has_socket = True
    play: Play
    callback: str
    act: Act
    times: int
    transport: Any

    def cast(self, play: Play, callback: str, act: Act, times: int = 2) -> Any:
        self.play, self.callback, self.act, self.times = play, callback, act, times
        self.transport = None
        self.loop = play.loop
        self.note = play.note
        return self

    def happened(self, callback: str, *details: object) -> None:
        # What an earlier callback has set is seen by those that share its context.
        changed = [f"variable={VARIABLE.get()}"] if VARIABLE.get() else []
        self.note(" ".join([callback, *map(str, details), *changed]))
        if callback == self.callback and self.times > 0:
            self.times -= 1
            type(self).act_once(self)

    def act_once(self) -> None:
        self.act(self)

    def forget(self) -> None:
        self.transport = None

    def outcome(self, what: str, call: Callable[[], Any]) -> None:
        try:
            result = call()
        except Exception as exc:
            self.note(f"{what}: {shown(exc)}")
        else:
            self.note(f"{what}: {result!r}")

    def successor(self) -> Any:
        made = type(self)()
        made.cast(self.play, "", self.act)
        made.transport = self.transport
        return made

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.happened("connection_made")

    def connection_lost(self, exc: BaseException | None) -> None:
        self.happened("connection_lost", shown(exc))

    def pause_writing(self) -> None:
        self.happened("pause_writing")

    def resume_writing(self) -> None:
        self.happened("resume_writing")

    def eof_received(self) -> bool | None:
        self.happened("eof_received")
        return None


class StreamPlayer(Player, asyncio.Protocol):
    def data_received(self, data: bytes) -> None:
        self.happened("data_received", len(data))


class BufferedPlayer(Player, asyncio.BufferedProtocol):
    buffer: Any = None

    def get_buffer(self, sizehint: int) -> Any:
        self.happened("get_buffer", sizehint)
        if self.buffer is None:
            self.buffer = bytearray(64)
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.happened("buffer_updated", nbytes)


class DatagramPlayer(Player, asyncio.DatagramProtocol):
    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.happened("datagram_received", len(data))

    def error_received(self, exc: Exception) -> None:
        self.happened("error_received", shown(exc))


class PipePlayer(StreamPlayer):
    has_socket = False


class ChildPlayer(Player, asyncio.SubprocessProtocol):
    has_socket = False

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self.happened("pipe_data_received", fd, len(data))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        self.happened("pipe_connection_lost", fd, shown(exc))

    def process_exited(self) -> None:
        self.happened("process_exited")
