"""Public names and signatures are those of the running version's asyncio.

The differences stand in a table of docs/compatibility.md, each with its reason. Both loops make one
object of each kind, and what can be seen of it is compared.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import re
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cxxloop

Loop = asyncio.AbstractEventLoop

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
SECTION = "## Public names"


def tls_contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """For a server and a client that need no certificate."""
    contexts = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for context in contexts:
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("aNULL:@SECLEVEL=0")
    contexts[1].check_hostname = False
    contexts[1].verify_mode = ssl.CERT_NONE
    return contexts


@contextlib.asynccontextmanager
async def tls_transport(loop: Loop) -> Any:
    for_server, for_client = tls_contexts()
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0, ssl=for_server)
    host, port = server.sockets[0].getsockname()
    transport, _ = await loop.create_connection(
        asyncio.Protocol, host, port, ssl=for_client, server_hostname=""
    )
    yield transport
    transport.abort()
    server.close()
    for _ in range(20):  # The server's end notices.
        await asyncio.sleep(0.001)


@contextlib.asynccontextmanager
async def loop_itself(loop: Loop) -> Any:
    yield loop


@contextlib.asynccontextmanager
async def handle(loop: Loop) -> Any:
    made = loop.call_soon(print)
    made.cancel()
    yield made


@contextlib.asynccontextmanager
async def timer_handle(loop: Loop) -> Any:
    made = loop.call_later(1000, print)
    made.cancel()
    yield made


@contextlib.asynccontextmanager
async def server(loop: Loop) -> Any:
    async with await loop.create_server(asyncio.Protocol, "127.0.0.1", 0) as made:
        yield made


@contextlib.asynccontextmanager
async def stream_transport(loop: Loop) -> Any:
    ours, theirs = socket.socketpair()
    with theirs:
        transport, _ = await loop.create_unix_connection(asyncio.Protocol, sock=ours)
        yield transport
        transport.abort()
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def datagram_transport(loop: Loop) -> Any:
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0)
    )
    yield transport
    transport.abort()
    await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def read_pipe(loop: Loop) -> Any:
    read_end, write_end = os.pipe()
    with open(read_end, "rb", 0) as pipe, open(write_end, "wb", 0):
        transport, _ = await loop.connect_read_pipe(asyncio.Protocol, pipe)
        yield transport
        transport.close()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def write_pipe(loop: Loop) -> Any:
    read_end, write_end = os.pipe()
    with open(read_end, "rb", 0), open(write_end, "wb", 0) as pipe:
        transport, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, pipe)
        yield transport
        transport.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def subprocess(loop: Loop) -> Any:
    exited: asyncio.Future[None] = loop.create_future()

    class Protocol(asyncio.SubprocessProtocol):
        def connection_lost(self, exc: Exception | None) -> None:
            exited.set_result(None)

    transport, _ = await loop.subprocess_exec(Protocol, sys.executable, "-c", "")
    yield transport
    await exited
    transport.close()


KINDS: dict[str, Callable[[Loop], Any]] = {
    "loop": loop_itself,
    "handle": handle,
    "timer handle": timer_handle,
    "server": server,
    "stream transport": stream_transport,
    "TLS transport": tls_transport,
    "datagram transport": datagram_transport,
    "read pipe": read_pipe,
    "write pipe": write_pipe,
    "subprocess": subprocess,
}


def reasons() -> dict[tuple[str, str], str]:
    """{(kind of object, name): reason} of the page's table."""
    text = PAGE.read_text()
    assert SECTION in text
    section = text.split(SECTION, 1)[1].split("\n## ", 1)[0]
    rows = [line.strip("| ").split(" | ") for line in section.splitlines() if line[:1] == "|"]
    found = {}
    for kind, names, *_, reason in rows[2:]:
        for name in re.findall(r"`(\w+)`", names):
            found[kind, name] = reason
    return found


def looks(value: Any) -> object:
    """What a program can see of an attribute without using it."""
    if not callable(value):
        return "no method"
    try:
        signature = inspect.signature(value)
    except ValueError:
        return "no signature"
    parameters = [
        (parameter.name, parameter.kind, parameter.default)
        for parameter in signature.parameters.values()
    ]
    return inspect.iscoroutinefunction(value), parameters


def described(made: object) -> dict[str, object]:
    """Everything public of an object."""
    return {name: looks(getattr(made, name)) for name in dir(made) if not name.startswith("_")}


def of_loop(new_loop: Callable[[], Loop], kind: str) -> dict[str, object]:
    async def main() -> dict[str, object]:
        async with KINDS[kind](asyncio.get_running_loop()) as made:
            return described(made)

    with asyncio.Runner(loop_factory=new_loop) as runner:
        return runner.run(main())


def differing(kind: str) -> Iterator[str]:
    """Names that are missing, extra or different."""
    theirs = of_loop(asyncio.SelectorEventLoop, kind)
    ours = of_loop(cxxloop.Loop, kind)
    for name in sorted(theirs.keys() | ours.keys()):
        if theirs.get(name) != ours.get(name):
            yield name


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_public_names_and_signatures_are_those_of_asyncio(kind: str) -> None:
    assert set(differing(kind)) == {name for of_kind, name in reasons() if of_kind == kind}


def test_table_names_objects_that_are_compared() -> None:
    table = reasons()
    assert table
    assert {kind for kind, _ in table} <= KINDS.keys()
    assert all(reason.strip() for reason in table.values())
