"""sock_*() whose socket or loop is closed while they wait."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.descriptors.watching import Pair
from tests.support.loops import Failures, run, run_once

Loop = asyncio.AbstractEventLoop


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


@pytest.mark.parametrize("operation", [*sorted(RECEIVES), "accept"])
def test_socket_closed_during_a_receive_leaves_a_loop_that_works(
    any_loop: Loop, operation: str
) -> None:
    """uvloop#100"""
    failures = Failures(any_loop)

    async def main() -> None:
        if operation == "accept":
            sock, peer = socket.create_server(("127.0.0.1", 0)), None
        else:
            sock, peer = socket.socketpair()
        sock.setblocking(False)
        number = sock.fileno()
        if operation == "accept":
            task = asyncio.ensure_future(any_loop.sock_accept(sock))
        else:
            task = asyncio.ensure_future(RECEIVES[operation](any_loop, sock))
        await asyncio.sleep(0)
        sock.close()
        if peer is not None:
            peer.close()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        third, fourth = socket.socketpair()
        with third, fourth:
            assert number in (third.fileno(), fourth.fileno())
            third.setblocking(False)
            fourth.setblocking(False)
            for reading, writing in ((third, fourth), (fourth, third)):
                again = asyncio.ensure_future(any_loop.sock_recv(reading, 9))
                await asyncio.sleep(0)
                await any_loop.sock_sendall(writing, b"abc")
                assert await again == b"abc"

    run(any_loop, main())
    assert failures.contexts == []


def test_socket_closed_with_data_pending_ends_the_receive_or_leaves_it(
    any_loop: Loop, pair: Pair
) -> None:
    """uvloop#100"""

    async def main() -> None:
        task = asyncio.ensure_future(any_loop.sock_recv(pair[0], 9))
        await asyncio.sleep(0)
        pair[1].send(b"abc")
        pair[0].close()
        for _ in range(5):
            await asyncio.sleep(0)
        assert not task.done()  # The kernel has forgotten it.
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(any_loop, main())


def test_socket_closed_in_the_turn_of_its_event_is_a_bad_descriptor(
    any_loop: Loop, pair: Pair
) -> None:
    """The event is known already when a callback that runs before it closes the socket."""

    async def main() -> None:
        task = asyncio.ensure_future(any_loop.sock_recv(pair[0], 9))
        await asyncio.sleep(0)
        pair[1].send(b"abc")
        any_loop.call_soon(pair[0].close)
        with pytest.raises(OSError, match="Bad file descriptor"):
            async with asyncio.timeout(2):
                await task

    run(any_loop, main())


@pytest.mark.parametrize("operation", sorted(RECEIVES))
def test_receive_of_a_closed_socket_takes_nothing_from_the_next_with_its_number(
    any_loop: Loop, pair: Pair, operation: str
) -> None:
    """A duplicate keeps the kernel reporting the number that was closed."""

    async def main() -> None:
        number = pair[0].fileno()
        with pair[0].dup():
            task = asyncio.ensure_future(RECEIVES[operation](any_loop, pair[0]))
            await asyncio.sleep(0)
            pair[0].close()
            third, fourth = socket.socketpair()
            with third, fourth:
                assert third.fileno() == number
                third.setblocking(False)
                fourth.send(b"of another")
                pair[1].send(b"abc")
                with pytest.raises(OSError, match="Bad file descriptor"):
                    async with asyncio.timeout(2):
                        await task
                assert third.recv(99) == b"of another"

    run(any_loop, main())


def test_send_to_a_closed_socket_writes_nothing_to_the_next_with_its_number(
    any_loop: Loop, pair: Pair
) -> None:
    async def main() -> None:
        number = pair[0].fileno()
        size = fill(pair[0])
        with pair[0].dup():
            task = asyncio.ensure_future(any_loop.sock_sendall(pair[0], b"of the first"))
            await asyncio.sleep(0)
            pair[0].close()
            third, fourth = socket.socketpair()
            with third, fourth:
                assert third.fileno() == number
                fourth.setblocking(False)
                while size:
                    size -= len(pair[1].recv(1 << 20))
                with pytest.raises(OSError, match="Bad file descriptor"):
                    async with asyncio.timeout(2):
                        await task
                with pytest.raises(BlockingIOError):
                    fourth.recv(99)

    run(any_loop, main())


def test_loop_closed_while_an_operation_waits_forgets_it(any_loop: Loop, pair: Pair) -> None:
    waiting: Any = any_loop.sock_recv(pair[0], 9)
    task = any_loop.create_task(waiting)
    run_once(any_loop)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        any_loop.run_until_complete(task)
    any_loop.close()
    assert any_loop.remove_reader(pair[0]) is False
    pair[1].send(b"x")
    assert pair[0].recv(1) == b"x"
