"""Protocols that lack what every protocol has, and sockets that are none any more."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.loops import Failures, run, run_once

Loop = asyncio.AbstractEventLoop


async def _unix(loop: Loop, factory: Callable[[], Any], sock: socket.socket) -> Any:
    return await loop.create_unix_connection(factory, sock=sock)


async def _accepted(loop: Loop, factory: Callable[[], Any], sock: socket.socket) -> Any:
    return await loop.connect_accepted_socket(factory, sock)


CONNECTING = {"create_unix_connection": _unix, "connect_accepted_socket": _accepted}


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="closed: transports/test_clients.py")
@pytest.mark.parametrize("how", sorted(CONNECTING))
def test_failing_factory_leaves_the_callers_socket_open(any_loop: Loop, how: str) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(ZeroDivisionError):
            run(any_loop, CONNECTING[how](any_loop, lambda: 1 / 0, ours))
        ours.send(b"usable")
        assert theirs.recv(10) == b"usable"


@pytest.mark.parametrize("how", sorted(CONNECTING))
@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
def test_stream_protocol_without_connection_made_is_refused(any_loop: Loop, how: str) -> None:
    """A factory that forgets to return is the common case."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'connection_"):
            run(any_loop, CONNECTING[how](any_loop, lambda: None, ours))


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_datagram_protocol_without_connection_made_is_refused(any_loop: Loop) -> None:
    with pytest.raises(AttributeError, match="'object' object has no attribute 'connection_made'"):
        endpoint: Any = any_loop.create_datagram_endpoint
        run(any_loop, endpoint(object, ("127.0.0.1", 0)))


@pytest.mark.parametrize("end", ["read", "write"])
@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
def test_protocol_of_a_pipe_without_connection_made_is_refused(any_loop: Loop, end: str) -> None:
    read_end, write_end = os.pipe()
    connect: Any = getattr(any_loop, f"connect_{end}_pipe")
    with open(read_end, "rb", 0) as reader, open(write_end, "wb", 0) as writer:
        with pytest.raises(AttributeError, match="'object' object has no attribute 'connection_"):
            run(any_loop, connect(object, reader if end == "read" else writer))


def test_accepted_connection_whose_protocol_is_none_is_dropped(loop: Loop) -> None:
    """asyncio keeps it open for as long as the exception's traceback lives."""

    async def main() -> bytes:
        server = await loop.create_server(lambda: None, "127.0.0.1", 0)  # type: ignore[arg-type,return-value]
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                return await reader.read()
            finally:
                writer.close()

    loop.set_debug(True)
    failures = Failures(loop)
    assert run(loop, main()) == b""
    assert failures.messages == ["Error on transport creation for incoming connection"]
    assert isinstance(failures.contexts[0]["exception"], AttributeError)


@pytest.mark.parametrize("kind", ["stream", "datagram"])
def test_end_without_connection_lost_is_reported_and_the_loop_goes_on(
    any_loop: Loop, kind: str
) -> None:
    ours, theirs = socket.socketpair()
    failures = Failures(any_loop)

    async def main() -> Any:
        if kind == "stream":
            transport: Any
            transport, _ = await any_loop.create_unix_connection(asyncio.Protocol, sock=ours)
        else:
            transport, _ = await any_loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, ("127.0.0.1", 0)
            )
        return transport

    with ours, theirs:
        transport = run(any_loop, main())
        transport.set_protocol(object())
        transport.abort()
        run_once(any_loop)
        run_once(any_loop)
    (context,) = failures.contexts
    assert context["message"].startswith("Exception in callback ")
    assert str(context["exception"]) == "'object' object has no attribute 'connection_lost'"
    assert set(context) == {"message", "exception", "handle"}


def test_socket_that_the_factory_closes_is_refused(loop: Loop) -> None:
    """asyncio makes a transport that reads nothing."""
    ours, theirs = socket.socketpair()

    def factory() -> asyncio.Protocol:
        ours.close()
        return asyncio.Protocol()

    with theirs, pytest.raises(ValueError, match="^Invalid file descriptor: -1$"):
        run(loop, loop.create_unix_connection(factory, sock=ours))


def test_numbers_beyond_all_descriptors_are_refused_without_a_table_for_them(
    any_loop: Loop,
) -> None:
    for number in (2**31 - 1, 2**30):
        with pytest.raises(OSError, match="Bad file descriptor"):
            any_loop.add_reader(number, print)
        assert not any_loop.remove_reader(number)


def test_items_that_abort_the_transport_are_not_written(any_loop: Loop) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)

    async def main() -> None:
        transport, _ = await any_loop.create_unix_connection(asyncio.Protocol, sock=ours)

        def items() -> Any:
            yield b"first"
            transport.abort()
            yield b"second"

        transport.writelines(items())
        with pytest.raises(BlockingIOError):
            theirs.recv(100)
        await asyncio.sleep(0)

    with ours, theirs:
        run(any_loop, main())
