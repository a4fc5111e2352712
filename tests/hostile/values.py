"""Values that a careful caller would not pass: made anew for each call, since some bite only once.

A value is made from a `Scene`, the objects that a case may harm.
"""

from __future__ import annotations

import array
import asyncio
import contextvars
import io
import math
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.hostile.scene import Scene

Make = Callable[["Scene"], Any]


class HostileError(Exception):
    """What hostile objects raise."""


_PROTOCOL = [
    *("__index__", "__int__", "__float__", "__bool__", "__len__", "__iter__", "__next__"),
    *("__fspath__", "__hash__", "__eq__", "__str__", "__bytes__", "__call__", "__getitem__"),
    *("__lt__", "__add__", "__radd__", "__await__", "__enter__", "__buffer__", "__trunc__"),
    *("fileno", "read", "close", "encode", "family", "type", "send", "_repr"),
]


def _class(name: str, methods: dict[str, Any], base: type = object) -> Any:
    return type(name, (base,), methods)


def _raise(*_: Any, **__: Any) -> Any:
    raise HostileError("on purpose")


def _raising(*methods: str, base: type = object) -> Any:
    return _class("Raising", dict.fromkeys(methods, _raise), base)


def _striking(scene: Scene, *, base: type = object) -> Any:
    """Does all the harm that it can, and then answers."""

    def answering(answer: Any) -> Any:
        def method(*_: Any, **__: Any) -> Any:
            scene.strike()
            return answer

        return method

    answers = {
        "__index__": 1,
        "__int__": 1,
        "__float__": 1.0,
        "__bool__": True,
        "__len__": 1,
        "__fspath__": "/nowhere",
        "__hash__": 1,
        "__eq__": True,
        "__str__": "struck",
        "__repr__": "struck",
        "__lt__": True,
        "__call__": None,
        "__iter__": iter(()),
        "__getitem__": 1,
        "fileno": scene.fd,
        "encode": b"struck",
    }
    if sys.version_info >= (3, 12):
        answers["__buffer__"] = memoryview(b"struck")
    methods = {name: answering(answer) for name, answer in answers.items()}
    if base is not object:
        methods = {name: methods[name] for name in ("__hash__", "__eq__", "__str__", "__repr__")}
    return _class("Striking", methods, base)


def _released(_: Scene) -> memoryview:
    view = memoryview(bytearray(8))
    view.release()
    return view


def _endless() -> Iterator[int]:
    while True:
        yield 1


def _failing() -> Iterator[bytes]:
    yield b"first"
    raise HostileError("on purpose")


def _done(scene: Scene) -> Any:
    future = scene.loop.create_future() if not scene.loop.is_closed() else asyncio.Future()
    future.set_result(None)
    return future


def _cancelled(scene: Scene) -> Any:
    future = _done(scene).__class__(loop=scene.loop)
    future.cancel()
    return future


class _FilenoOf:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def fileno(self) -> Any:
        return self.answer


def _fileno_of_itself() -> _FilenoOf:
    made = _FilenoOf(0)
    made.answer = made
    return made


def _list_of_itself() -> list[Any]:
    made: list[Any] = []
    made.append(made)
    return made


def constant(value: Any) -> Make:
    return lambda _: value


NUMBERS: dict[str, Make] = {
    shown: constant(value)
    for shown, value in {
        "False": False,
        "True": True,
        "0": 0,
        "1": 1,
        "-1": -1,
        "65536": 65536,
        "10**6": 10**6,
        "2**31-1": 2**31 - 1,
        "2**31": 2**31,
        "2**32": 2**32,
        "2**63-1": 2**63 - 1,
        "2**63": 2**63,
        "2**64": 2**64,
        "-2**31-1": -(2**31) - 1,
        "-2**63": -(2**63),
        "-2**63-1": -(2**63) - 1,
        "10**400": 10**400,
        "0.0": 0.0,
        "1.5": 1.5,
        "-1e308": -1e308,
        "1e308": 1e308,
        "nan": math.nan,
        "inf": math.inf,
        "-inf": -math.inf,
        "1j": 1j,
    }.items()
}

TEXTS: dict[str, Make] = {
    "empty str": lambda _: "",
    "str": lambda _: "x",
    "digits": lambda _: "1",
    "NUL in str": lambda _: "a\0b",
    "only NUL": lambda _: "\0",
    "surrogate": lambda _: "\ud800",
    "not ASCII": lambda _: "bücher.example",
    "long str": lambda _: "x" * 70000,
    "label of 64": lambda _: "x" * 64 + ".example",
    "IPv4": lambda _: "127.0.0.1",
    "IPv6": lambda _: "::1",
    "zone": lambda _: "fe80::1%none",
    "spaces": lambda _: " 127.0.0.1 ",
    "empty bytes": lambda _: b"",
    "bytes": lambda _: b"x",
    "NUL in bytes": lambda _: b"a\0b",
    "not UTF-8": lambda _: b"\xff\xfe",
    "bytearray": lambda _: bytearray(b"x"),
    "view": lambda _: memoryview(b"xy"),
    "released view": _released,
    "view with steps": lambda _: memoryview(b"abcdef")[::2],
    "view of 0 dimensions": lambda _: memoryview(b"x").cast("B", ()),
    "array of I": lambda _: array.array("I", [1, 2]),
    "StringIO": lambda _: io.StringIO("x"),
    "BytesIO": lambda _: io.BytesIO(b"x"),
    "str subclass": lambda _: _class("S", {}, str)("127.0.0.1"),
    "str that raises": lambda _: _raising("__hash__", "__eq__", "__str__", base=str)("127.0.0.1"),
    "bytes that raise": lambda _: _raising("__hash__", "__eq__", "__len__", base=bytes)(b"x"),
    "int that raises": lambda _: _raising("__index__", "__int__", "__eq__", base=int)(1),
    "float that raises": lambda _: _raising("__float__", "__lt__", "__eq__", base=float)(1.0),
    "str that strikes": lambda scene: _striking(scene, base=str)("127.0.0.1"),
    "bytes that strike": lambda scene: _striking(scene, base=bytes)(b"x"),
}

CONTAINERS: dict[str, Make] = {
    "()": lambda _: (),
    "(None,)": lambda _: (None,),
    "([],)": lambda _: ([],),
    "pair": lambda _: ("127.0.0.1", 0),
    "pair with None": lambda _: (None, None),
    "pair with a wrong port": lambda _: ("127.0.0.1", "x"),
    "pair with a huge port": lambda _: ("127.0.0.1", 2**64),
    "pair with a negative port": lambda _: ("127.0.0.1", -1),
    "triple": lambda _: ("127.0.0.1", 1, 2),
    "quadruple": lambda _: ("::1", 1, 2**33, 0),
    "long tuple": lambda _: tuple(range(10)),
    "pair with a surrogate": lambda _: ("\ud800", 1),
    "pair with NUL": lambda _: ("a\0", 1),
    "pair as a list": lambda _: ["127.0.0.1", 0],
    "[]": lambda _: [],
    "list of None": lambda _: [None],
    "list of bytes": lambda _: [b"a", b"b"],
    "list of all sorts": lambda _: [b"a", 1, None, "x"],
    "list of itself": lambda _: _list_of_itself(),
    "{}": lambda _: {},
    "set": lambda _: {1},
    "generator": lambda _: (item for item in (b"a", b"b")),
    "generator that fails": lambda _: _failing(),
}

OBJECTS: dict[str, Make] = {
    "None": lambda _: None,
    "...": lambda _: ...,
    "object": lambda _: object(),
    "class": lambda _: object,
    "function": lambda _: lambda *args, **kwargs: None,
    "function that raises": lambda _: _raise,
    "coroutine function": lambda scene: scene.coroutine_function,
    "coroutine": lambda scene: scene.coroutine(),
    "partial coroutine": lambda scene: scene.started_coroutine(),
    "done future": _done,
    "cancelled future": _cancelled,
    "future of another loop": lambda scene: scene.other.create_future(),
    "another loop": lambda scene: scene.other,
    "closed loop": lambda scene: scene.closed_loop(),
    "class of loop": lambda scene: type(scene.loop),
    "transport of another loop": lambda scene: scene.foreign_transport(),
    "context": lambda _: contextvars.copy_context(),
    "socket": lambda scene: scene.blocking(),
    "non-blocking socket": lambda scene: scene.pair(blocking=False)[0],
    "TCP socket": lambda scene: scene.new_socket(socket.AF_INET, socket.SOCK_STREAM),
    "datagram socket": lambda scene: scene.new_socket(socket.AF_INET, socket.SOCK_DGRAM),
    "Unix datagram socket": lambda scene: scene.new_socket(socket.AF_UNIX, socket.SOCK_DGRAM),
    "listening socket": lambda scene: scene.listening(),
    "closed socket": lambda scene: scene.closed_socket(),
    "detached socket": lambda scene: scene.detached_socket(),
    "closed file": lambda scene: scene.closed_file(),
    "pipe": lambda scene: scene.pipe()[0],
    "end of a pipe": lambda scene: scene.pipe()[1],
    "file": lambda scene: scene.file(),
    "empty file": lambda scene: scene.file(b""),
    "text file": lambda scene: scene.text_file(),
    "client context": lambda _: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
    "server context": lambda _: ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
    "protocol": lambda _: asyncio.Protocol(),
    "protocol class": lambda _: asyncio.Protocol,
    "buffered protocol class": lambda _: asyncio.BufferedProtocol,
    "loop itself": lambda scene: scene.loop,
    "fileno of None": lambda _: _FilenoOf(None),
    "fileno of -1": lambda _: _FilenoOf(-1),
    "fileno of str": lambda _: _FilenoOf("3"),
    "fileno of 2**64": lambda _: _FilenoOf(2**64),
    "fileno of itself": lambda _: _fileno_of_itself(),
    "all raises": lambda _: _raising(*_PROTOCOL)(),
    "repr raises": lambda _: _raising("__repr__", "__str__")(),
    "attributes raise": lambda _: _raising("__getattr__", "__repr__")(),
    "index raises": lambda _: _raising("__index__")(),
    "strikes": lambda scene: _striking(scene)(),
}

VALUES: dict[str, Make] = NUMBERS | TEXTS | CONTAINERS | OBJECTS
