"""Cancelling whatever moves bytes, at every turn: each byte arrives once, or stays where it was."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cxxloop
from tests.support.cancelling import WAYS, cancel, cancel_everywhere
from tests.support.certificates import Certificates
from tests.support.files import LARGE, file_with
from tests.support.loops import LOOP_FACTORIES, close_loop, run, run_once
from tests.support.protocols import drain_peer, read_exactly

Loop = asyncio.AbstractEventLoop
every_way = pytest.mark.parametrize("way", WAYS)


async def _recv(loop: Loop, sock: socket.socket) -> bytes:
    return await loop.sock_recv(sock, 100)


async def _recv_into(loop: Loop, sock: socket.socket) -> bytes:
    buffer = bytearray(100)
    return bytes(buffer[: await loop.sock_recv_into(sock, buffer)])


async def _recvfrom(loop: Loop, sock: socket.socket) -> bytes:
    return (await loop.sock_recvfrom(sock, 100))[0]


async def _recvfrom_into(loop: Loop, sock: socket.socket) -> bytes:
    buffer = bytearray(100)
    return bytes(buffer[: (await loop.sock_recvfrom_into(sock, buffer))[0]])


def _received(kind: str, receive: Any, sent_after: int, turns: int, way: str) -> list[str]:
    """How it ends and what is lost when data comes after some turns and a cancellation later."""
    loop = LOOP_FACTORIES[kind]()
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        task = loop.create_task(receive(loop, ours))
        for turn in range(turns):
            if turn == sent_after:
                theirs.send(b"data")
            run_once(loop)
        cancel(loop, task, way)
        for _ in range(4):
            run_once(loop)
        theirs.send(b"more")
        got = b"" if task.cancelled() else task.result()
        while not got.endswith(b"more"):
            got += run(loop, receive(loop, ours))
        assert not loop.remove_reader(ours)
        close_loop(loop)
        assert got in (b"more", b"datamore")
        return ["cancelled" if task.cancelled() else "done", got.decode()]


@every_way
@pytest.mark.parametrize("receive", [_recv, _recv_into, _recvfrom, _recvfrom_into])
def test_receiving_ends_as_with_asyncio(receive: Any, way: str) -> None:
    for sent_after in range(3):
        for turns in range(sent_after + 1, sent_after + 5):
            case = (receive, sent_after, turns, way)
            ours, theirs = _received("cxxloop", *case), _received("asyncio", *case)
            assert ours == theirs, case


@every_way
def test_sending_stops_where_it_is_cancelled(any_loop: Loop, way: str) -> None:
    """What arrives is the beginning of what was sent, and the peer may go on reading."""
    data = bytes(range(256)) * 4096

    for turns in range(12):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            for sock in (ours, theirs):
                sock.setblocking(False)
            task = any_loop.create_task(any_loop.sock_sendall(ours, data))
            arrived = bytearray()
            for _ in range(turns):
                run_once(any_loop)
                try:
                    arrived += theirs.recv(50_000)
                except BlockingIOError:
                    pass
            cancel(any_loop, task, way)
            for _ in range(3):
                run_once(any_loop)
            assert task.done()
            assert not any_loop.remove_writer(ours)
            ours.close()
            arrived += run(any_loop, drain_peer(any_loop, theirs))
            assert data.startswith(arrived)
            assert task.cancelled() or arrived == data


def _connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        theirs, _ = listener.accept()
    for sock in (ours, theirs):
        sock.setblocking(False)
    return ours, theirs


@every_way
@pytest.mark.parametrize("fallback", [True, False])
def test_sock_sendfile(any_loop: Loop, way: str, fallback: bool, tmp_path: Path) -> None:
    with file_with(LARGE, tmp_path) as file:

        async def job() -> None:
            ours, theirs = _connected()
            with ours, theirs:
                sending = asyncio.ensure_future(
                    any_loop.sock_sendfile(ours, file, fallback=fallback)
                )
                try:
                    await read_exactly(any_loop, theirs, 1 << 20)
                finally:
                    sending.cancel()
                    await asyncio.gather(sending, return_exceptions=True)
                    assert not any_loop.remove_writer(ours)

        cancel_everywhere(any_loop, job, way)


@every_way
@pytest.mark.parametrize("tls", [False, True])
def test_sendfile(
    any_loop: Loop, way: str, tls: bool, tmp_path: Path, certificates: Certificates
) -> None:
    server = any_loop.run_until_complete(
        any_loop.create_server(
            asyncio.Protocol, "127.0.0.1", 0, ssl=certificates.for_server() if tls else None
        )
    )
    address = server.sockets[0].getsockname()
    options: Any = {}
    if tls:
        options = {"ssl": certificates.for_client(), "server_hostname": "localhost"}
    with file_with(LARGE, tmp_path) as file:

        async def job() -> None:
            transport, _ = await any_loop.create_connection(asyncio.Protocol, *address, **options)
            try:
                await any_loop.sendfile(transport, file)
            finally:
                transport.abort()

        cancel_everywhere(any_loop, job, way)
    server.close()
    any_loop.run_until_complete(server.wait_closed())


READS: dict[str, Callable[[asyncio.StreamReader], Any]] = {
    "read": lambda reader: reader.read(100),
    "read all": lambda reader: reader.read(),
    "readline": lambda reader: reader.readline(),
    "readexactly": lambda reader: reader.readexactly(8),
    "readuntil": lambda reader: reader.readuntil(b"l"),
}


@every_way
@pytest.mark.parametrize("method", READS)
def test_reading_from_a_stream_loses_nothing(any_loop: Loop, way: str, method: str) -> None:
    """Bytes stay in the reader until a read that is not cancelled takes them."""
    for turns in range(10):
        ours, theirs = socket.socketpair()
        with theirs:

            async def main(turns: int = turns, ours: Any = ours, theirs: Any = theirs) -> bytes:
                reader, writer = await asyncio.open_unix_connection(sock=ours)
                task = asyncio.ensure_future(READS[method](reader))
                for turn in range(turns):
                    if turn in (1, 3):
                        theirs.send(b"line")
                    await asyncio.sleep(0)
                task.cancel()
                if way == "twice":
                    await asyncio.sleep(0)
                    task.cancel()
                await asyncio.wait([task])
                theirs.shutdown(socket.SHUT_WR)
                got: bytes = b"" if task.cancelled() else task.result()
                got += await reader.read()
                writer.close()
                await writer.wait_closed()
                return got

            got = run(any_loop, main())
            if method == "read all":  # It had taken them already.
                assert got in (b"", b"line", b"lineline")
            else:
                assert got == b"line" * (turns >= 2) + b"line" * (turns >= 4)


@every_way
@pytest.mark.parametrize("method", ["drain", "wait_closed"])
def test_waiting_for_a_writer(any_loop: Loop, way: str, method: str) -> None:
    async def job() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            _, writer = await asyncio.open_unix_connection(sock=ours)
            try:
                writer.write(bytes(1 << 21))
                if method == "wait_closed":
                    writer.close()
                await getattr(writer, method)()
            finally:
                writer.transport.abort()

    async def ended() -> None:
        async with asyncio.timeout(0.001):
            await job()

    outcomes = cancel_everywhere(any_loop, ended, way, expected=(TimeoutError,))
    assert "CancelledError" in outcomes


# What was accepted in the same turn is the future's, and gone with it.
@pytest.mark.filterwarnings("ignore:unclosed <socket.socket:ResourceWarning")
@every_way
def test_accepting_loses_no_connection(loop: cxxloop.Loop, way: str) -> None:
    """It is accepted and closed, or waits for who accepts next. asyncio may accept it later and
    leave it to the collector."""
    for turns in range(6):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.setblocking(False)
            task = loop.create_task(loop.sock_accept(listener))
            run_once(loop)
            with socket.create_connection(listener.getsockname(), 5) as client:
                for _ in range(turns):
                    run_once(loop)
                cancel(loop, task, way)
                for _ in range(3):
                    run_once(loop)
                assert not loop.remove_reader(listener)
                if not task.cancelled():
                    task.result()[0].close()
                try:
                    listener.accept()[0].close()
                except BlockingIOError:
                    pass
                assert client.recv(1) == b""


@every_way
def test_connecting_leaves_the_socket_usable(any_loop: Loop, way: str) -> None:
    for turns in range(6):
        with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as sock:
            sock.setblocking(False)
            task = any_loop.create_task(any_loop.sock_connect(sock, listener.getsockname()))
            for _ in range(turns):
                run_once(any_loop)
            cancel(any_loop, task, way)
            for _ in range(3):
                run_once(any_loop)
            assert task.done()
            assert not any_loop.remove_writer(sock)
            any_loop.add_writer(sock, any_loop.stop)
            any_loop.run_forever()
            assert any_loop.remove_writer(sock)
