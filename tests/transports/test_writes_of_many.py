"""When what is written leaves: at once, or, while many callbacks are ready, a little later."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

import cxxloop
from tests.support.loops import Failures, run
from tests.support.protocols import Recorder, drain_peer, plain_peer

Loop = asyncio.AbstractEventLoop
FEW, MANY = 3, 4  # callbacks of one turn


def peek(sock: socket.socket) -> bytes:
    try:
        return sock.recv(100, socket.MSG_PEEK)
    except BlockingIOError:
        return b""


async def in_one_turn(loop: Loop, callbacks: int, first: Callable[[], Any]) -> Any:
    """What the first of so many callbacks returned, once all have run."""
    results: list[Any] = []
    loop.call_soon(lambda: results.append(first()))
    for _ in range(callbacks - 2):
        loop.call_soon(int)
    done = loop.create_future()
    loop.call_soon(done.set_result, None)
    await done
    return results[0]


def written(transport: Any, peer: socket.socket) -> Callable[[], bytes]:
    def write_and_look() -> bytes:
        transport.write(b"data")
        return peek(peer)

    return write_and_look


def test_data_is_with_the_peer_when_write_returns(any_loop: Loop) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            assert await in_one_turn(any_loop, FEW, written(transport, peer)) == b"data"

    run(any_loop, main())


def test_data_is_with_the_peer_when_write_returns_in_debug_mode(any_loop: Loop) -> None:
    async def main() -> None:
        any_loop.set_debug(True)
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            assert await in_one_turn(any_loop, MANY, written(transport, peer)) == b"data"

    run(any_loop, main())


def test_data_of_many_callbacks_leaves_with_the_turn(loop: cxxloop.Loop) -> None:
    async def main() -> None:
        async with plain_peer(loop, Recorder(loop)) as (transport, peer):
            assert await in_one_turn(loop, MANY, written(transport, peer)) in (b"", b"data")
            assert peek(peer) == b"data"

    run(loop, main())


@pytest.mark.parametrize(
    "action",
    [
        lambda transport: transport.get_write_buffer_size(),
        lambda transport: transport.get_extra_info("socket").shutdown(socket.SHUT_WR),
        lambda transport: transport.set_write_buffer_limits(high=10),
        lambda transport: transport.write_eof(),
        lambda transport: transport.close(),
        lambda transport: transport.abort(),
    ],
    ids=["size", "socket", "limits", "eof", "close", "abort"],
)
def test_what_could_show_the_difference_sends_first(any_loop: Loop, action: Any) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):

            def write_and_act() -> bytes:
                transport.write(b"data")
                action(transport)
                return peek(peer)

            assert await in_one_turn(any_loop, MANY, write_and_act) == b"data"

    run(any_loop, main())


@pytest.mark.parametrize("exit_type", [SystemExit, KeyboardInterrupt])
def test_exit_in_a_later_callback_loses_nothing(any_loop: Loop, exit_type: Any) -> None:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    transport, _ = any_loop.run_until_complete(
        any_loop.create_unix_connection(lambda: Recorder(any_loop), sock=ours)
    )

    def leave() -> None:
        raise exit_type

    any_loop.call_soon(transport.write, b"data")
    any_loop.call_soon(leave)
    for _ in range(MANY):
        any_loop.call_soon(int)
    with pytest.raises(exit_type):
        any_loop.run_forever()
    assert peek(theirs) == b"data"
    theirs.close()
    transport.abort()
    any_loop.run_until_complete(asyncio.sleep(0))


@pytest.mark.parametrize("callbacks", [FEW, MANY])
def test_what_was_written_before_a_protocol_fails_arrives(any_loop: Loop, callbacks: int) -> None:
    class Failing(Recorder):
        def data_received(self, data: bytes) -> None:
            for part in (b"head, ", b"more, ", b"body"):
                self.transport.write(part)
            raise ZeroDivisionError

    async def main() -> None:
        protocol = Failing(any_loop)
        async with plain_peer(any_loop, protocol) as (_, peer):
            # Queued behind the poll that finds the data.
            any_loop.call_soon(lambda: [any_loop.call_soon(int) for _ in range(callbacks)])
            peer.send(b"x")
            assert isinstance(await protocol.lost, ZeroDivisionError)
            assert await drain_peer(any_loop, peer) == b"head, more, body"

    failures = Failures(any_loop)
    run(any_loop, main())
    assert len(failures.contexts) == 1


def test_failure_to_send_ends_the_connection_once(any_loop: Loop) -> None:
    async def main() -> None:
        failures = Failures(any_loop)
        protocol = Recorder(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, peer):
            transport.pause_reading()
            peer.close()
            await in_one_turn(any_loop, MANY, lambda: transport.write(b"data"))
            exc = await protocol.lost
            assert type(exc) is BrokenPipeError
        assert failures.messages == []

    run(any_loop, main())


def test_many_writers_of_a_turn_keep_their_order(any_loop: Loop) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            for number in range(100):
                any_loop.call_soon(transport.write, b"%03d " % number)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            expected = b"".join(b"%03d " % number for number in range(100))
            assert peer.recv(1000) == expected

    run(any_loop, main())
