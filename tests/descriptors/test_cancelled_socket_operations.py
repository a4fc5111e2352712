"""sock_*() that are cancelled while they wait."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

import cxxloop
from tests.descriptors.watching import Pair
from tests.support.loops import Failures, run

Loop = asyncio.AbstractEventLoop


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        sock.setblocking(False)
        yield sock


def fill(sock: socket.socket) -> int:
    """Sends until it would block."""
    size = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            size += sock.send(b"." * 65536)
    return size


RECEIVES: dict[str, Callable[[Loop, socket.socket], Coroutine[Any, Any, Any]]] = {
    "recv": lambda loop, sock: loop.sock_recv(sock, 9),
    "recv_into": lambda loop, sock: loop.sock_recv_into(sock, bytearray(9)),
    "recvfrom": lambda loop, sock: loop.sock_recvfrom(sock, 9),
    "recvfrom_into": lambda loop, sock: loop.sock_recvfrom_into(sock, bytearray(9)),
}


@pytest.mark.parametrize("operation", sorted(RECEIVES))
def test_cancelled_receive_removes_its_reader_and_takes_nothing(
    any_loop: Loop, pair: Pair, operation: str
) -> None:
    """uvloop#169"""

    async def main() -> None:
        task = asyncio.ensure_future(RECEIVES[operation](any_loop, pair[0]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert any_loop.remove_reader(pair[0]) is False
        pair[1].send(b"abc")
        await asyncio.sleep(0)
        assert await any_loop.sock_recv(pair[0], 9) == b"abc"

    run(any_loop, main())


@pytest.mark.parametrize("operation", sorted(RECEIVES))
@pytest.mark.parametrize("send_first", [True, False])
def test_receive_cancelled_as_the_data_arrives_leaves_it_to_the_next(
    any_loop: Loop, pair: Pair, operation: str, send_first: bool
) -> None:
    """uvloop#169"""

    async def main() -> None:
        task = asyncio.ensure_future(RECEIVES[operation](any_loop, pair[0]))
        await asyncio.sleep(0)
        if send_first:
            pair[1].send(b"abc")
            task.cancel()
        else:
            task.cancel()
            pair[1].send(b"abc")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await any_loop.sock_recv(pair[0], 9) == b"abc"

    run(any_loop, main())


def test_many_receives_that_are_cancelled_lose_nothing(any_loop: Loop, pair: Pair) -> None:
    """uvloop#169"""
    data = bytes(range(256))

    async def main() -> None:
        got = bytearray()
        for position in range(256):
            task = asyncio.ensure_future(any_loop.sock_recv(pair[0], 1))
            for _ in range(position % 3):
                await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            pair[1].send(data[position : position + 1])
            got += await any_loop.sock_recv(pair[0], 1)
        assert got == data

    run(any_loop, main())


def test_second_receive_takes_the_place_of_the_first(any_loop: Loop, pair: Pair) -> None:
    """A socket has one reader; the first operation waits until it is cancelled."""

    async def main() -> None:
        first = asyncio.ensure_future(any_loop.sock_recv(pair[0], 9))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(any_loop.sock_recv(pair[0], 9))
        await asyncio.sleep(0)
        pair[1].send(b"abc")
        assert await second == b"abc"
        assert not first.done()
        third = asyncio.ensure_future(any_loop.sock_recv(pair[0], 9))
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        pair[1].send(b"def")  # The end of the first has not removed the reader of the third.
        assert await third == b"def"

    run(any_loop, main())


def test_reader_in_place_of_a_waiting_receive_survives_its_cancellation(
    any_loop: Loop, pair: Pair
) -> None:
    async def main() -> None:
        task = asyncio.ensure_future(any_loop.sock_recv(pair[0], 9))
        await asyncio.sleep(0)
        got = any_loop.create_future()
        any_loop.add_reader(pair[0], lambda: got.set_result(pair[0].recv(9)))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        pair[1].send(b"abc")
        assert await got == b"abc"
        assert any_loop.remove_reader(pair[0]) is True

    run(any_loop, main())


def test_cancelled_send_removes_its_writer(any_loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        size = fill(pair[0])
        task = asyncio.ensure_future(any_loop.sock_sendall(pair[0], b"lost"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert any_loop.remove_writer(pair[0]) is False
        while size:
            size -= len(await any_loop.sock_recv(pair[1], 1 << 20))
        await asyncio.sleep(0)
        await any_loop.sock_sendall(pair[0], b"next")
        assert await any_loop.sock_recv(pair[1], 9) == b"next"

    run(any_loop, main())


def test_send_cancelled_as_room_appears_sends_nothing_more(any_loop: Loop, pair: Pair) -> None:
    async def main() -> None:
        size = fill(pair[0])
        task = asyncio.ensure_future(any_loop.sock_sendall(pair[0], b"lost"))
        await asyncio.sleep(0)
        while size:
            size -= len(pair[1].recv(1 << 20))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await any_loop.sock_sendall(pair[0], b"next")
        assert await any_loop.sock_recv(pair[1], 9) == b"next"

    run(any_loop, main())


def test_cancelled_sendto_removes_its_writer(any_loop: Loop) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as target,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
    ):
        target.bind("")
        target.setblocking(False)
        sender.setblocking(False)
        address = target.getsockname()

        async def main() -> None:
            full = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    sender.sendto(b"filling", address)
                    full += 1
            task = asyncio.ensure_future(any_loop.sock_sendto(sender, b"lost", address))
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert any_loop.remove_writer(sender) is False
            for _ in range(full):
                assert target.recv(9) == b"filling"
            with pytest.raises(BlockingIOError):
                target.recv(9)

        run(any_loop, main())


def test_cancelled_accept_leaves_the_next_connection_to_the_next_accept(
    any_loop: Loop, listener: socket.socket
) -> None:
    """cpython#85489"""

    async def main() -> None:
        task = asyncio.ensure_future(any_loop.sock_accept(listener))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        assert any_loop.remove_reader(listener) is False
        with socket.create_connection(listener.getsockname()) as client:
            await asyncio.sleep(0)
            connection, address = await any_loop.sock_accept(listener)
            with connection:
                assert address == client.getsockname()
                assert connection.gettimeout() == 0
                assert connection.getpeername() == address

    run(any_loop, main())


def test_accept_cancelled_as_a_connection_arrives_does_not_lose_it(
    loop: cxxloop.Loop, listener: socket.socket
) -> None:
    """cpython#85489; asyncio accepts it here without looking whether anybody still waits."""
    failures = Failures(loop)

    async def main() -> None:
        task = asyncio.ensure_future(loop.sock_accept(listener))
        await asyncio.sleep(0)
        with socket.create_connection(listener.getsockname()) as client:
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            connection, address = await loop.sock_accept(listener)
            with connection:
                assert address == client.getsockname()

    run(loop, main())
    assert failures.contexts == []


def test_accept_returns_at_once_or_waits(any_loop: Loop, listener: socket.socket) -> None:
    async def main() -> None:
        for ready in (True, False):
            task = None if ready else asyncio.ensure_future(any_loop.sock_accept(listener))
            await asyncio.sleep(0)
            with socket.create_connection(listener.getsockname()) as client:
                accepting = any_loop.sock_accept(listener) if task is None else task
                connection, address = await accepting
                with connection:
                    assert connection.gettimeout() == 0
                    assert address == client.getsockname()
                    assert type(connection) is socket.socket

    run(any_loop, main())
