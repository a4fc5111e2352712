"""sock_recv(), sock_sendall() and their relatives: at once, waiting, and every buffer."""

from __future__ import annotations

import array
import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

import cxxloop
from tests.descriptors.watching import Pair
from tests.support.loops import run

Loop = asyncio.AbstractEventLoop


@pytest.fixture
def datagrams() -> Iterator[Pair]:
    """Two datagram sockets with addresses."""
    with (
        socket.socket(type=socket.SOCK_DGRAM) as first,
        socket.socket(type=socket.SOCK_DGRAM) as second,
    ):
        for sock in (first, second):
            sock.setblocking(False)
            sock.bind(("127.0.0.1", 0))
        yield first, second


@pytest.mark.parametrize("ready", [True, False])
@pytest.mark.parametrize("operation", ["recv", "recv_into", "recvfrom", "recvfrom_into"])
def test_receives_what_is_there_or_comes_later(
    any_loop: Loop, datagrams: Pair, operation: str, ready: bool
) -> None:
    first, second = datagrams
    buffer = bytearray(10)
    args = (buffer,) if operation.endswith("into") else (10,)
    data_or_size = 5 if operation.endswith("into") else b"hello"
    expected = (data_or_size, first.getsockname()) if "from" in operation else data_or_size
    operations: Any = getattr(any_loop, "sock_" + operation)

    async def main() -> None:
        if ready:
            first.sendto(b"hello", second.getsockname())
            assert await operations(second, *args) == expected
        else:
            task = asyncio.ensure_future(operations(second, *args))
            for _ in range(3):
                await asyncio.sleep(0)
            assert not task.done()
            first.sendto(b"hello", second.getsockname())
            assert await task == expected
        if operation.endswith("into"):
            assert buffer == b"hello" + bytes(5)
        assert any_loop.remove_reader(second) is False

    run(any_loop, main())


def test_ready_operation_does_not_give_up_its_turn(any_loop: Loop, pair: Pair) -> None:
    calls: list[str] = []

    async def main() -> None:
        any_loop.call_soon(calls.append, "another turn")
        await any_loop.sock_sendall(pair[1], b"x")
        assert await any_loop.sock_recv(pair[0], 1) == b"x"
        await any_loop.sock_sendall(pair[1], b"x")
        assert await any_loop.sock_recv_into(pair[0], bytearray(1)) == 1
        assert calls == []

    any_loop.run_until_complete(main())


def test_end_of_the_stream_is_empty(any_loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        waiting = asyncio.ensure_future(any_loop.sock_recv(pair[0], 9))
        await asyncio.sleep(0)
        pair[1].close()
        assert await waiting == b""
        assert await any_loop.sock_recv(pair[0], 9) == b""
        assert await any_loop.sock_recv_into(pair[0], bytearray(9)) == 0

    run(any_loop, main())


def test_reset_is_raised_by_a_waiting_receive(any_loop: Loop) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            sock = socket.create_connection(listener.getsockname())
            peer, _ = listener.accept()
        with sock:
            sock.setblocking(False)
            waiting = asyncio.ensure_future(any_loop.sock_recv(sock, 9))
            await asyncio.sleep(0)
            peer.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0"
            )  # On, 0 seconds.
            peer.close()
            with pytest.raises(ConnectionResetError):
                await waiting
            assert any_loop.remove_reader(sock) is False

    run(any_loop, main())


def test_zero_sizes_return_at_once(any_loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        pair[1].send(b"x")
        assert await any_loop.sock_recv(pair[0], 0) == b""
        assert await any_loop.sock_recv_into(pair[0], bytearray()) == 0
        await any_loop.sock_sendall(pair[0], b"")
        await any_loop.sock_sendall(pair[0], memoryview(b""))
        assert await any_loop.sock_recv(pair[0], 9) == b"x"

    run(any_loop, main())


def test_zero_size_on_a_stream_that_has_nothing_does_not_wait(any_loop: Loop) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            with socket.create_connection(listener.getsockname()) as sock:
                peer, _ = listener.accept()
                with peer:
                    sock.setblocking(False)
                    async with asyncio.timeout(2):
                        assert await any_loop.sock_recv(sock, 0) == b""
                        assert await any_loop.sock_recv_into(sock, bytearray()) == 0

    run(any_loop, main())


@pytest.mark.parametrize(
    "data",
    [
        b"\0data\xff",
        bytearray(b"\0data\xff"),
        memoryview(b"\0data\xff"),
        memoryview(b"x\0data\xffx")[1:-1],
        array.array("B", b"\0data\xff"),
    ],
)
def test_any_buffer_is_sent(any_loop: Loop, pair: Pair, data: Any) -> None:
    async def main() -> None:
        await any_loop.sock_sendall(pair[0], data)
        assert await any_loop.sock_recv(pair[1], 99) == b"\0data\xff"

    run(any_loop, main())


def test_array_of_wide_items_is_sent_whole(loop: cxxloop.Loop, pair: Pair) -> None:
    """asyncio compares bytes with items here, and waits forever."""

    async def main() -> None:
        data = array.array("I", range(100_000))
        task = asyncio.ensure_future(loop.sock_sendall(pair[0], data))
        got = bytearray()
        while len(got) < 400_000:
            got += await loop.sock_recv(pair[1], 1 << 16)
        await task
        assert got == data.tobytes()

    run(loop, main())


@pytest.mark.parametrize("make", [lambda b: b, memoryview, lambda b: array.array("B", b)])
def test_any_writable_buffer_is_filled(
    any_loop: Loop, pair: Pair, make: Callable[[bytearray], Any]
) -> None:
    async def main() -> None:
        for ready in (True, False):
            buffer = make(bytearray(6))
            task = asyncio.ensure_future(any_loop.sock_recv_into(pair[0], buffer))
            if not ready:
                await asyncio.sleep(0)
            pair[1].send(b"abc")
            assert await task == 3
            assert bytes(buffer) == b"abc\0\0\0"

    run(any_loop, main())


def test_buffer_is_free_again_after_the_operation(any_loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        into = bytearray(4)
        task = asyncio.ensure_future(any_loop.sock_recv_into(pair[0], into))
        await asyncio.sleep(0)
        data = bytearray(b"abcd")
        await any_loop.sock_sendall(pair[1], data)
        assert await task == 4
        into.clear()  # BufferError if anybody held it.
        data.clear()

    run(any_loop, main())


def test_big_send_reaches_a_slow_reader_whole(any_loop: Loop, pair: Pair) -> None:
    data = os.urandom(1 << 20) * 3

    async def main() -> None:
        sending = asyncio.ensure_future(any_loop.sock_sendall(pair[0], data))
        got = bytearray()
        while len(got) < len(data):
            got += await any_loop.sock_recv(pair[1], 50_000)
            await asyncio.sleep(0)
        assert await sending is None
        assert got == data
        assert any_loop.remove_writer(pair[0]) is False

    run(any_loop, main())


def test_send_to_a_peer_that_goes_away_while_waiting_is_a_broken_pipe(
    any_loop: Loop, pair: Pair
) -> None:
    async def main() -> None:
        sending = asyncio.ensure_future(any_loop.sock_sendall(pair[0], bytes(1 << 22)))
        await asyncio.sleep(0)
        assert not sending.done()
        pair[1].close()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            await sending
        with pytest.raises(BrokenPipeError):
            await any_loop.sock_sendall(pair[0], b"x")

    run(any_loop, main())


def test_both_directions_of_one_socket_wait_at_once(any_loop: Loop, pair: Pair) -> None:
    data = bytes(1 << 20)

    async def receive(sock: socket.socket) -> int:
        size = 0
        while size < len(data):
            size += len(await any_loop.sock_recv(sock, 1 << 16))
        return size

    async def main() -> list[Any]:
        jobs: list[Coroutine[Any, Any, Any]] = []
        for sock in pair:
            jobs += [receive(sock), any_loop.sock_sendall(sock, data)]
        return await asyncio.gather(*jobs)

    assert run(any_loop, main()) == [len(data), None] * 2


def test_datagram_send_waits_until_there_is_room(any_loop: Loop) -> None:
    first, second = socket.socketpair(type=socket.SOCK_DGRAM)
    with first, second, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        second.setblocking(False)
        target = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with target:
            target.bind("")  # A name in the abstract namespace.
            target.setblocking(False)
            address = target.getsockname()

            async def main() -> None:
                full = 0
                with contextlib.suppress(BlockingIOError):
                    while True:
                        sender.sendto(b"filling", address)
                        full += 1
                waiting = asyncio.ensure_future(any_loop.sock_sendto(sender, b"last", address))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                assert not waiting.done()
                for _ in range(full):
                    assert await any_loop.sock_recv(target, 9) == b"filling"
                assert await waiting == 4
                assert await any_loop.sock_recv(target, 9) == b"last"

            run(any_loop, main())
