"""The calls: every public method of every kind of object, from its signature in asyncio."""

from __future__ import annotations

import asyncio
import inspect
import signal
import socket
import ssl
from asyncio import sslproto
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.hostile.scene import Scene
from tests.hostile.values import VALUES, constant

Arguments = dict[str, Callable[[Scene], Any]]

LOOP = "loop"

# The classes whose signatures are called, of asyncio.
CLASSES: dict[str, Any] = {
    LOOP: asyncio.SelectorEventLoop,
    "handle": asyncio.Handle,
    "timer handle": asyncio.TimerHandle,
    "server": asyncio.Server,
    "stream transport": asyncio.selector_events._SelectorSocketTransport,  # type: ignore[attr-defined]
    "TLS transport": sslproto._SSLProtocolTransport,
    "datagram transport": asyncio.selector_events._SelectorDatagramTransport,  # type: ignore[attr-defined]
    "read pipe": asyncio.unix_events._UnixReadPipeTransport,  # type: ignore[attr-defined]
    "write pipe": asyncio.unix_events._UnixWritePipeTransport,  # type: ignore[attr-defined]
    "subprocess": asyncio.unix_events._UnixSubprocessTransport,  # type: ignore[attr-defined]
}


class Call(NamedTuple):
    """One hostile call."""

    kind: str
    method: str
    name: str
    positional: tuple[tuple[str, Callable[[Scene], Any]], ...]
    keywords: tuple[tuple[str, Callable[[Scene], Any]], ...]

    def __str__(self) -> str:
        return f"{self.kind}.{self.method}: {self.name}"


def _sslcontext(_: Scene) -> Any:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


# A good value for a parameter, wherever it stands.
GOOD: Arguments = {
    "callback": constant(lambda *args: None),
    "func": constant(lambda *args: None),
    "delay": constant(0),
    "when": constant(0),
    "coro": lambda scene: scene.coroutine(),
    "future": lambda scene: scene.coroutine(),
    "context": constant({"message": "m"}),
    "handler": constant(None),
    "enabled": constant(True),
    "executor": constant(None),
    "factory": constant(None),
    "fd": lambda scene: scene.fd(),
    "sig": constant(signal.SIGUSR1),
    "protocol_factory": constant(asyncio.Protocol),
    "protocol": constant(asyncio.Protocol()),
    "sslcontext": _sslcontext,
    "transport": lambda scene: scene.transport(),
    "sock": lambda scene: scene.pair(blocking=False)[0],
    "n": constant(1),
    "nbytes": constant(1),
    "buf": lambda _: bytearray(4),
    "data": constant(b"data"),
    "list_of_data": constant([b"data"]),
    "address": constant(("127.0.0.1", 1)),
    "addr": constant(None),
    "host": constant("127.0.0.1"),
    "port": constant(0),
    "sockaddr": constant(("127.0.0.1", 80)),
    "flags": constant(0),
    "path": lambda scene: scene.path(),
    "file": lambda scene: scene.file(),
    "cmd": constant("true"),
    "program": constant("true"),
    "pipe": lambda scene: scene.pipe()[0],
    "name": constant("socket"),
    "signal": constant(0),
}

# Other sets of arguments with which a method takes another way.
WAYS: dict[tuple[str, str], list[Arguments]] = {
    (LOOP, "create_connection"): [
        {"host": GOOD["host"], "port": constant(1)},
        {"sock": lambda scene: scene.connected()},
        {
            "sock": lambda scene: scene.connected(),
            "ssl": _sslcontext,
            "server_hostname": constant("localhost"),
        },
    ],
    (LOOP, "create_server"): [
        {"host": GOOD["host"], "port": GOOD["port"]},
        {"sock": lambda scene: scene.bound()},
    ],
    (LOOP, "create_unix_connection"): [
        {"path": GOOD["path"]},
        {"sock": GOOD["sock"]},
    ],
    (LOOP, "create_unix_server"): [
        {"path": GOOD["path"]},
        {"sock": lambda scene: scene.bound(socket.AF_UNIX)},
    ],
    (LOOP, "create_datagram_endpoint"): [
        {"local_addr": constant(("127.0.0.1", 0))},
        {"remote_addr": constant(("127.0.0.1", 9))},
        {"sock": lambda scene: scene.bound(kind=socket.SOCK_DGRAM)},
    ],
    (LOOP, "connect_write_pipe"): [{"pipe": lambda scene: scene.pipe()[1]}],
    (LOOP, "sock_accept"): [{"sock": lambda scene: scene.listening()}],
    (LOOP, "sock_connect"): [{"sock": lambda scene: scene.new_socket(2, 1)}],
    (LOOP, "sock_recvfrom"): [{"sock": lambda scene: scene.bound(kind=socket.SOCK_DGRAM)}],
    (LOOP, "sock_recvfrom_into"): [{"sock": lambda scene: scene.bound(kind=socket.SOCK_DGRAM)}],
    (LOOP, "sock_sendto"): [{"sock": lambda scene: scene.bound(kind=socket.SOCK_DGRAM)}],
    ("subprocess", "get_pipe_transport"): [{"fd": constant(0)}],
}

# Positional arguments for *args.
REST: dict[tuple[str, str], tuple[Any, ...]] = {
    (LOOP, "subprocess_exec"): ("true",),
}


def methods_of(kind: str) -> Iterator[tuple[str, inspect.Signature]]:
    """Public methods, and those of the object protocol that programs reach by syntax."""
    for name in sorted(dir(CLASSES[kind])):
        if name.startswith("_") and name not in ("__eq__", "__lt__", "__hash__", "__repr__"):
            continue
        method = getattr(CLASSES[kind], name)
        if not callable(method):
            continue
        try:
            signature = inspect.signature(method)
        except ValueError:
            continue
        yield name, signature.replace(parameters=list(signature.parameters.values())[1:])


def _arranged(
    signature: inspect.Signature, given: Arguments, rest: tuple[Any, ...]
) -> tuple[list[Any], list[Any]]:
    """Positional arguments as far as they go without a gap, the others by keyword."""
    positional: list[Any] = []
    keywords: list[Any] = []
    gap = False
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.VAR_POSITIONAL:
            if not gap:
                positional += [("rest", constant(value)) for value in rest]
        elif parameter.name not in given:
            gap = True
        elif parameter.kind is parameter.KEYWORD_ONLY or (
            gap and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        ):
            keywords.append((parameter.name, given[parameter.name]))
        else:
            positional.append((parameter.name, given[parameter.name]))
    for name in given:
        if name not in signature.parameters:
            keywords.append((name, given[name]))
    return positional, keywords


def _ways(kind: str, method: str, signature: inspect.Signature) -> list[Arguments]:
    required = {
        parameter.name: GOOD.get(parameter.name, constant(None))
        for parameter in signature.parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    return [required | way for way in WAYS.get((kind, method), [{}])]


_COUNTS: dict[str, Any] = {"one more": 1, "two more": 2}


def calls_of(kind: str, method: str, signature: inspect.Signature) -> Iterator[Call]:
    """Good arguments, each of them replaced by each value; missing, too many, unknown, doubled."""
    rest = REST.get((kind, method), ())

    def call(name: str, given: Arguments, more: int = 0, twice: str = "") -> Call:
        positional, keywords = _arranged(signature, given, rest)
        positional += [("more", constant(None))] * more
        if twice:
            keywords = [*keywords, (twice, given[twice])]
        return Call(kind, method, name, tuple(positional), tuple(keywords))

    taken = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD
    ]
    for number, way in enumerate(_ways(kind, method, signature)):
        at = f"way {number}, " if number else ""
        yield call(at + "as it should be", way)
        yield call(at + "unknown keyword", way | {"unknown": constant(1)})
        for name, more in _COUNTS.items():
            yield call(at + name, way, more=more)
        keywords = tuple((name, make) for name, make in way.items())
        yield Call(kind, method, at + "all by keyword", (), keywords)
        for name in way:
            without = {other: make for other, make in way.items() if other != name}
            yield call(f"{at}without {name}", without)
            yield call(f"{at}{name} twice", way, twice=name)
        for name in taken:
            for value, make in VALUES.items():
                if signature.parameters[name].kind is inspect.Parameter.VAR_POSITIONAL:
                    made = call("", way)
                    yield made._replace(
                        name=f"{at}*{name}={value}", positional=(*made.positional, (name, make))
                    )
                else:
                    yield call(f"{at}{name}={value}", way | {name: make})


def all_calls(kind: str) -> Iterator[Call]:
    """In an order that never changes."""
    for method, signature in methods_of(kind):
        yield from calls_of(kind, method, signature)
