"""Streams whose readers are cancelled, whose peers go away, and whose servers close."""

from __future__ import annotations

import asyncio
import gc
import socket
import struct
import sys
import warnings
from pathlib import Path

import pytest

from tests.support.loops import Failures, run
from tests.support.stream_pairs import Stream, close, connect, pair, start

Loop = asyncio.AbstractEventLoop


@pytest.fixture(params=["tcp", "unix"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """Where the server of the test listens; nothing stands for a TCP port."""
    return str(tmp_path / "socket") if request.param == "unix" else None


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_cancelled_readers_lose_no_bytes(any_loop: Loop, place: str | None, turns: int) -> None:
    async def main() -> None:
        async with pair(place) as (client, peer):
            sent = bytearray()
            for number in range(20):
                reading = asyncio.ensure_future(client.reader.readexactly(1000))
                await asyncio.sleep(0)
                part = b"part %d;" % number
                peer.writer.write(part)
                sent += part
                for _ in range(turns):  # The bytes come before, with or after the cancelling.
                    await asyncio.sleep(0)
                reading.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await reading
            peer.writer.write_eof()
            assert await client.reader.read() == sent

    run(any_loop, main())


def test_second_reader_at_the_same_time_is_refused(any_loop: Loop) -> None:
    async def main() -> None:
        async with pair() as (client, peer):
            first = asyncio.ensure_future(client.reader.read(10))
            await asyncio.sleep(0)
            for name, arguments in (("read", (1,)), ("readexactly", (1,)), ("readuntil", ())):
                with pytest.raises(
                    RuntimeError,
                    match=rf"^{name}\(\) called while another coroutine is already waiting",
                ):
                    await getattr(client.reader, name)(*arguments)
            peer.writer.write(b"x")
            assert await first == b"x"

    run(any_loop, main())


def test_reset_by_the_peer_is_an_error_of_every_operation(any_loop: Loop) -> None:
    async def main() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        client = Stream(*await asyncio.open_connection(*listener.getsockname()))
        peer, _ = listener.accept()
        reading = asyncio.ensure_future(client.reader.read())
        await asyncio.sleep(0)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        with pytest.raises(ConnectionResetError):
            await reading
        assert isinstance(client.reader.exception(), ConnectionResetError)
        with pytest.raises(ConnectionResetError):
            await client.reader.readline()
        with pytest.raises(ConnectionResetError):
            await client.writer.drain()
        with pytest.raises(ConnectionResetError):
            await client.writer.wait_closed()
        assert client.writer.is_closing()
        listener.close()

    run(any_loop, main())


def test_writing_to_a_peer_that_left_ends_in_an_error(any_loop: Loop, place: str | None) -> None:
    async def main() -> None:
        async with pair(place) as (client, peer):
            await close(peer)
            assert await client.reader.read() == b""
            with pytest.raises(ConnectionError):
                while True:
                    client.writer.write(b"x" * 1000)
                    await client.writer.drain()
            assert client.writer.is_closing()

    run(any_loop, main())


def test_refused_connections_are_errors(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*bound.getsockname())
        with pytest.raises(FileNotFoundError):
            await asyncio.open_unix_connection(str(tmp_path / "missing"))

    run(any_loop, main())


@pytest.mark.skipif(sys.version_info < (3, 11, 7), reason="StreamWriter has no __del__ before")
def test_unclosed_writer_warns_and_closes_its_connection(any_loop: Loop) -> None:
    async def main() -> None:
        accepted: asyncio.Queue[Stream] = asyncio.Queue()
        server = await start(lambda *stream: accepted.put_nowait(Stream(*stream)))
        client = await connect(server)
        peer = await accepted.get()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del client
            gc.collect()
        texts = [str(warning.message) for warning in caught]
        assert any(text.startswith("unclosed <StreamWriter") for text in texts)
        assert await peer.reader.read() == b""
        await close(peer)
        server.close()
        await server.wait_closed()

    run(any_loop, main())


def test_closed_server_leaves_its_connections_alone(any_loop: Loop, place: str | None) -> None:
    async def main() -> None:
        accepted: asyncio.Queue[Stream] = asyncio.Queue()
        server = await start(lambda *stream: accepted.put_nowait(Stream(*stream)), place)
        client = await connect(server)
        address = server.sockets[0].getsockname()
        peer = await accepted.get()
        server.close()
        assert not server.is_serving()
        with pytest.raises((ConnectionRefusedError, FileNotFoundError)):
            if place is None:
                await asyncio.open_connection(*address)
            else:
                await asyncio.open_unix_connection(place)
        waiting = asyncio.ensure_future(server.wait_closed())
        client.writer.write(b"still\n")
        assert await peer.reader.readline() == b"still\n"
        if sys.version_info >= (3, 12, 1):  # Before, wait_closed() did not wait for connections.
            assert not waiting.done()
        await close(client, peer)
        await waiting

    run(any_loop, main())


def test_leaving_the_server_s_block_closes_it(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        async with await start(lambda reader, writer: writer.close()) as server:
            assert server.is_serving()
            client = await connect(server)
            assert await client.reader.read() == b""
            await close(client)
        assert not server.is_serving()
        assert server.sockets == ()

    run(any_loop, main())
    assert failures.contexts == []


@pytest.mark.skipif(sys.version_info < (3, 13), reason="close_clients() is new in 3.13")
@pytest.mark.parametrize("method", ["close_clients", "abort_clients"])
def test_server_ends_the_connections_of_its_clients(
    any_loop: Loop, place: str | None, method: str
) -> None:
    body = bytes(8 << 20)  # More than the system takes.

    async def main() -> None:
        accepted: asyncio.Queue[Stream] = asyncio.Queue()
        server = await start(lambda *stream: accepted.put_nowait(Stream(*stream)), place)
        clients = [await connect(server) for _ in range(5)]
        peers = [await accepted.get() for _ in clients]
        for peer in peers:
            peer.writer.write(body)
        server.close()
        getattr(server, method)()
        assert all(peer.writer.is_closing() for peer in peers)
        for client in clients:
            received = await client.reader.read()
            if method == "close_clients":
                assert received == body
            else:
                assert len(received) < len(body)
        await server.wait_closed()
        await close(*clients, *peers)

    run(any_loop, main())
