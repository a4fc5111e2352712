"""How native methods read their arguments, against a Python function of the same signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import cxxloop

LOOP = cxxloop.Loop()


class NoError(Exception):
    """Something else than the count or the name of arguments is wrong."""


def call_soon(callback: Any, *args: Any, context: Any = None) -> None: ...


def call_later(delay: Any, callback: Any, *args: Any, context: Any = None) -> None: ...


def call_at(when: Any, callback: Any, *args: Any, context: Any = None) -> None: ...


def add_reader(fd: Any, callback: Any, *args: Any) -> None: ...


def remove_reader(fd: Any) -> None: ...


def nothing() -> None: ...


def write(data: Any) -> None: ...


SIGNATURES: dict[str, Callable[..., None]] = {
    "call_soon": call_soon,
    "call_soon_threadsafe": call_soon,
    "call_later": call_later,
    "call_at": call_at,
    "add_reader": add_reader,
    "add_writer": add_reader,
    "remove_reader": remove_reader,
    "remove_writer": remove_reader,
    "stop": nothing,
    "is_running": nothing,
    "time": nothing,
    "create_future": nothing,
}
NAMES = ["callback", "context", "delay", "when", "fd", "args", "", "self", "\ud800", "x" * 300]
METHODS = sorted(SIGNATURES)


def _callback(*_: Any) -> None: ...


# What is right for one parameter or the other.
VALUES: list[Any] = [_callback, 0, 1.5, None, "x", -1, 2**64, 10**400, b"x", (), object()]


def one_input(data: bytes) -> None:
    if len(data) < 3:
        return
    method = METHODS[data[0] % len(METHODS)]
    positional = [VALUES[byte % len(VALUES)] for byte in data[2 : 2 + data[1] % 12]]
    rest = data[2 + data[1] % 12 :]
    named = {
        NAMES[rest[i] % len(NAMES)]: VALUES[rest[i + 1] % len(VALUES)]
        for i in range(0, len(rest) - 1, 2)
    }
    try:
        inspect.signature(SIGNATURES[method]).bind(*positional, **named)
        fits = True
    except TypeError:
        fits = False
    try:
        made = getattr(LOOP, method)(*positional, **named)
        accepted = True
    except TypeError as exc:
        # Values of a wrong type are none of this target's business.
        accepted = not any(
            text in str(exc) for text in ("argument", "positional", "multiple values")
        )
        made = None
    except (ValueError, OSError, OverflowError, RuntimeError):
        accepted, made = True, None
    assert accepted == fits, (method, positional, named)
    if hasattr(made, "cancel"):
        made.cancel()
    for watched in (0, 1):
        LOOP.remove_reader(watched)
        LOOP.remove_writer(watched)
    if len(LOOP._ready) > 100:
        LOOP.call_soon(LOOP.stop)
        LOOP.run_forever()
