"""Servers whose connections are encrypted."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import socket
import sys
from pathlib import Path

import pytest

from tests.support.certificates import Certificates
from tests.support.loops import run
from tests.support.protocols import Echo, Recorder, serving
from tests.support.stream_pairs import close, connect, start

Loop = asyncio.AbstractEventLoop


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_streams_say_their_end(
    any_loop: Loop, certificates: Certificates, tmp_path: Path, unix: bool
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"read: " + await reader.readline())
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        place = str(tmp_path / "socket") if unix else None
        server = await start(serve, place, ssl=certificates.for_server())
        for _ in range(3):
            stream = await connect(
                server, ssl=certificates.for_client(), server_hostname="localhost"
            )
            stream.writer.write(b"line\n")
            assert await stream.reader.read() == b"read: line\n"
            await close(stream)
        server.close()
        await server.wait_closed()

    run(any_loop, main())


def test_server_streams_to_a_client_that_leaves(any_loop: Loop, certificates: Certificates) -> None:
    """uvloop#471, aiohttp#6762"""

    async def main() -> None:
        ended = any_loop.create_future()

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while True:
                    writer.write(bytes(1 << 16))
                    await writer.drain()
            except OSError as exc:
                ended.set_result(exc)

        server = await start(serve, ssl=certificates.for_server(), ssl_shutdown_timeout=1)
        stream = await connect(
            server,
            ssl=certificates.for_client(),
            server_hostname="localhost",
            ssl_shutdown_timeout=0.1,
        )
        await stream.reader.readexactly(4096)
        stream.writer.close()
        assert isinstance(await ended, OSError)
        with contextlib.suppress(OSError):  # An SSLError or a TimeoutError, as it happens.
            await stream.writer.wait_closed()
        server.close()

    run(any_loop, main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="close_clients() is new in 3.13")
@pytest.mark.parametrize("method", ["close_clients", "abort_clients"])
def test_server_ends_its_connections(
    any_loop: Loop, certificates: Certificates, method: str
) -> None:
    async def main() -> None:
        accepted: list[Echo] = []

        def accept() -> Echo:
            accepted.append(Echo(any_loop))
            return accepted[-1]

        async with serving(accept, ssl=certificates.for_server()) as (server, address):
            clients = []
            for _ in range(3):
                protocol = Recorder(any_loop)
                await any_loop.create_connection(
                    lambda protocol=protocol: protocol,  # type: ignore[misc]
                    *address,
                    ssl=certificates.for_client(),
                    server_hostname="localhost",
                )
                protocol.transport.write(b"hello")
                await protocol.until(lambda p: p.received == b"hello")
                clients.append(protocol)
            unfinished = socket.create_connection(address)
            getattr(server, method)()
            for protocol in [*accepted[:3], *clients]:
                await protocol.lost
            unfinished.close()
            server.close()
            await server.wait_closed()

    run(any_loop, main())


def test_many_connect_at_once(any_loop: Loop, certificates: Certificates) -> None:
    async def ask(address: tuple[str, int], number: int) -> None:
        reader, writer = await asyncio.open_connection(
            *address, ssl=client_context, server_hostname="localhost"
        )
        writer.write(b"%03d" % number)
        assert await reader.readexactly(3) == b"%03d" % number
        writer.close()
        await writer.wait_closed()

    client_context = certificates.for_client()

    async def main() -> None:
        context = certificates.for_server()
        async with serving(lambda: Echo(any_loop), ssl=context) as (_, address):
            await asyncio.gather(*[ask(address, number) for number in range(50)])

    run(any_loop, main())


def test_what_one_connection_sets_is_not_seen_by_the_next(
    any_loop: Loop, certificates: Certificates
) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="nothing")
    seen: list[str] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(variable.get())
        variable.set("something")
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        server = await start(serve, ssl=certificates.for_server())
        for _ in range(2):
            stream = await connect(
                server, ssl=certificates.for_client(), server_hostname="localhost"
            )
            assert await stream.reader.read() == b""
            await close(stream)
        server.close()
        await server.wait_closed()

    run(any_loop, main())
    assert seen == ["nothing", "nothing"]
