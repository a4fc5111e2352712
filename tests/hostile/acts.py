"""What a hostile callback does: exceptions of every kind, and whatever a transport can be asked."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import gc
import ssl
from collections.abc import Callable
from typing import Any

Act = Callable[[Any], Any]


class OddError(Exception):
    """An Exception like any other."""


class Fatal(BaseException):
    """No Exception, and yet no reason to leave the loop."""


class MuteError(Exception):
    """Can't be shown."""

    def __str__(self) -> str:
        raise OddError("str")

    def __repr__(self) -> str:
        raise OddError("repr")


class LoudInterrupt(KeyboardInterrupt):
    """A subclass of what leaves the loop."""


EXCEPTIONS: list[BaseException] = [
    OddError("odd"),
    Fatal("fatal"),
    MuteError(),
    SystemExit(3),
    KeyboardInterrupt("now"),
    LoudInterrupt(),
    asyncio.CancelledError("cancelled"),
    StopIteration(1),
    StopAsyncIteration(),
    GeneratorExit(),
    RecursionError("deep"),
    MemoryError(),
    ConnectionResetError(errno.ECONNRESET, "reset"),
    BlockingIOError(errno.EAGAIN, "again"),
    InterruptedError(errno.EINTR, "interrupted"),
    TimeoutError("late"),
    ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "more"),
    ssl.SSLSyscallError(ssl.SSL_ERROR_SYSCALL, "call"),
    ssl.SSLCertVerificationError(1, "certificate"),
    AttributeError("connection_lost"),
    ExceptionGroup("several", [OddError("first"), SystemError("second")]),
    BaseExceptionGroup("worse", [KeyboardInterrupt("inside")]),
]


def _raising(exc: BaseException) -> Act:
    def act(_: Any) -> None:
        raise exc.with_traceback(None)

    return act


def _deep(_: Any) -> Any:
    return _deep(_)


def _forget(protocol: Any) -> None:
    protocol.forget()
    gc.collect()


VARIABLE: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)


def _set_variable(_: Any) -> None:
    VARIABLE.set(VARIABLE.get() + 1)


def _asked(method: str, *arguments: Any) -> Act:
    """Calls the transport's method, if it has it, and notes what becomes of that."""

    def act(protocol: Any) -> None:
        transport = protocol.transport
        if transport is None or not hasattr(transport, method):
            return
        protocol.outcome(method, lambda: getattr(transport, method)(*arguments))

    return act


def _loop_asked(method: str, *arguments: Any) -> Act:
    def act(protocol: Any) -> None:
        protocol.outcome(method, lambda: getattr(protocol.loop, method)(*arguments))

    return act


def _runs_other_loop(protocol: Any) -> None:
    other = type(protocol.loop)()
    try:
        protocol.outcome("run other", lambda: other.run_until_complete(asyncio.sleep(0)))
    finally:
        other.close()


def _all_of(*acts: Act) -> Act:
    def act(protocol: Any) -> None:
        for each in acts:
            each(protocol)

    return act


def _new_protocol(protocol: Any) -> None:
    _asked("set_protocol", protocol.successor())(protocol)


def _watches_own_descriptor(protocol: Any) -> None:
    fd = protocol.transport.get_extra_info("socket").fileno() if protocol.has_socket else -1
    if fd >= 0:
        protocol.outcome("add_reader", lambda: protocol.loop.add_reader(fd, print))
        protocol.outcome("remove_writer", lambda: protocol.loop.remove_writer(fd))


_BIG = bytes(1 << 20)

ACTS: dict[str, Act] = {
    **{f"raise {type(exc).__name__}": _raising(exc) for exc in EXCEPTIONS},
    "recursion": _deep,
    "forget": _forget,
    "collect": lambda _: gc.collect(),
    "context variable": _set_variable,
    "close": _asked("close"),
    "abort": _asked("abort"),
    "close, abort": _all_of(_asked("close"), _asked("abort"), _asked("close")),
    "abort, raise": _all_of(_asked("abort"), _raising(OddError("aborted"))),
    "close, raise": _all_of(_asked("close"), _raising(OddError("closed"))),
    "close, exit": _all_of(_asked("close"), _raising(SystemExit(4))),
    "pause": _asked("pause_reading"),
    "pause, resume": _all_of(_asked("pause_reading"), _asked("resume_reading")),
    "write": _asked("write", b"written"),
    "write much": _asked("write", _BIG),
    "write, abort": _all_of(_asked("write", _BIG), _asked("abort")),
    "write, close": _all_of(_asked("write", _BIG), _asked("close")),
    "writelines": _asked("writelines", [b"wri", bytearray(b"tt"), b"en"]),
    "write_eof": _asked("write_eof"),
    "write_eof, write": _all_of(_asked("write_eof"), _asked("write", b"late")),
    "sendto": _asked("sendto", b"sent"),
    "no limits": _asked("set_write_buffer_limits", 0),
    "other protocol": _new_protocol,
    "other protocol, raise": _all_of(_new_protocol, _raising(OddError("replaced"))),
    "watch": _watches_own_descriptor,
    "stop": _loop_asked("stop"),
    "close loop": _loop_asked("close"),
    "run another loop": _runs_other_loop,
}
