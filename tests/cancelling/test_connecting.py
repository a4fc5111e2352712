"""Cancelling whatever connects, at every turn: nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import cxxloop
from tests.support.cancelling import WAYS, cancel_everywhere
from tests.support.certificates import Certificates

Loop = asyncio.AbstractEventLoop
pytestmark = pytest.mark.parametrize("way", WAYS)


def close_transport(made: Any) -> None:
    made[0].abort()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Accepts into its queue only: nobody ever answers."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@pytest.mark.parametrize("options", [{}, {"local_addr": ("127.0.0.1", 0)}])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_create_connection(
    any_loop: Loop, listener: socket.socket, way: str, host: str, options: Any
) -> None:
    port = listener.getsockname()[1]

    async def job() -> Any:
        return await any_loop.create_connection(asyncio.Protocol, host, port, **options)

    cancel_everywhere(any_loop, job, way, close_transport)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_create_connection_with_happy_eyeballs(
    loop: cxxloop.Loop, listener: socket.socket, way: str, host: str
) -> None:
    """asyncio leaves a socket that was connected in the same turn to the collector."""
    port = listener.getsockname()[1]

    async def job() -> Any:
        return await loop.create_connection(
            asyncio.Protocol, host, port, happy_eyeballs_delay=0.001
        )

    cancel_everywhere(loop, job, way, close_transport)


@pytest.mark.parametrize("options", [{}, {"happy_eyeballs_delay": 0.001}])
def test_create_connection_that_fails(
    any_loop: Loop, closed_port: int, way: str, options: Any
) -> None:
    async def job() -> Any:
        return await any_loop.create_connection(
            asyncio.Protocol, "localhost", closed_port, **options
        )

    cancel_everywhere(any_loop, job, way, expected=(OSError,))


def test_create_connection_whose_handshake_never_ends(
    any_loop: Loop, listener: socket.socket, way: str, certificates: Certificates
) -> None:
    """uvloop#738"""
    address = listener.getsockname()
    context = certificates.for_client()

    async def job() -> Any:
        return await any_loop.create_connection(
            asyncio.Protocol, *address, ssl=context, server_hostname="localhost"
        )

    outcomes = cancel_everywhere(any_loop, job, way, close_transport)
    assert set(outcomes) == {"CancelledError"}


def test_create_connection_with_tls(any_loop: Loop, way: str, certificates: Certificates) -> None:
    made = any_loop.create_server(asyncio.Protocol, "127.0.0.1", 0, ssl=certificates.for_server())
    server = any_loop.run_until_complete(made)
    context = certificates.for_client()
    address = server.sockets[0].getsockname()

    async def job() -> Any:
        return await any_loop.create_connection(
            asyncio.Protocol, *address, ssl=context, server_hostname="localhost"
        )

    outcomes = cancel_everywhere(any_loop, job, way, close_transport)
    assert set(outcomes) == {"CancelledError", "done"}
    server.close()
    any_loop.run_until_complete(server.wait_closed())


def test_create_unix_connection(any_loop: Loop, way: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen(1000)

        async def job() -> Any:
            return await any_loop.create_unix_connection(asyncio.Protocol, str(tmp_path / "socket"))

        cancel_everywhere(any_loop, job, way, close_transport)


def test_connect_accepted_socket(any_loop: Loop, way: str) -> None:
    ours, theirs = socket.socketpair()
    with theirs:

        async def job() -> Any:
            return await any_loop.connect_accepted_socket(asyncio.Protocol, ours.dup())

        cancel_everywhere(any_loop, job, way, close_transport)
        ours.close()


async def _close_server(server: asyncio.Server) -> None:
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("host", ["127.0.0.1", ["localhost", "127.0.0.1"]])
def test_create_server(loop: cxxloop.Loop, way: str, host: Any) -> None:
    """asyncio's goes on listening, and nobody has it."""

    async def job() -> Any:
        return await loop.create_server(asyncio.Protocol, host, 0)

    cancel_everywhere(loop, job, way, _close_server)


def test_create_unix_server(loop: cxxloop.Loop, way: str, tmp_path: Path) -> None:
    """asyncio's goes on listening, and nobody has it."""

    async def job() -> Any:
        return await loop.create_unix_server(asyncio.Protocol, tmp_path / "socket")

    cancel_everywhere(loop, job, way, _close_server)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_create_datagram_endpoint(any_loop: Loop, way: str, host: str) -> None:
    async def job() -> Any:
        return await any_loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, local_addr=(host, 0), remote_addr=(host, 9)
        )

    cancel_everywhere(any_loop, job, way, close_transport)


@pytest.mark.parametrize("reading", [True, False])
def test_connect_pipe(any_loop: Loop, way: str, reading: bool) -> None:
    async def job() -> Any:
        ours, theirs = os.pipe() if reading else os.pipe()[::-1]
        try:
            with contextlib.ExitStack() as stack:
                file = stack.enter_context(os.fdopen(ours, "rb" if reading else "wb", 0))
                connect: Any = (
                    any_loop.connect_read_pipe if reading else any_loop.connect_write_pipe
                )
                made = await connect(asyncio.Protocol, file)
                stack.pop_all()
                return made
        finally:
            os.close(theirs)

    cancel_everywhere(any_loop, job, way, lambda made: made[0].close())


@pytest.mark.parametrize("method", ["getaddrinfo", "getnameinfo"])
def test_lookups(any_loop: Loop, way: str, method: str) -> None:
    async def job() -> Any:
        if method == "getnameinfo":
            return await any_loop.getnameinfo(("127.0.0.1", 80))
        return await any_loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM)

    cancel_everywhere(any_loop, job, way)


def test_start_tls(any_loop: Loop, way: str, certificates: Certificates, server_side: bool) -> None:
    """With a peer that handshakes, in the same loop."""
    contexts = certificates.for_server(), certificates.for_client()
    mine, other = contexts if server_side else contexts[::-1]

    async def upgrade(sock: socket.socket, context: ssl.SSLContext, server: bool) -> Any:
        transport, protocol = await any_loop.create_unix_connection(asyncio.Protocol, sock=sock)
        try:
            return await any_loop.start_tls(
                transport,
                protocol,
                context,
                server_side=server,
                server_hostname=None if server else "localhost",
            )
        except BaseException:
            transport.abort()
            raise

    def abort(task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and task.exception() is None:
            task.result().abort()

    async def job() -> None:
        ours, theirs = socket.socketpair()
        peer = asyncio.ensure_future(upgrade(theirs, other, not server_side))
        peer.add_done_callback(abort)
        try:
            (await upgrade(ours, mine, server_side)).abort()
        finally:
            peer.cancel()

    cancel_everywhere(any_loop, job, way)
