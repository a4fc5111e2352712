"""BufferedProtocol: data goes into the protocol's own buffer."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.loops import Failures, run
from tests.support.protocols import Recorder, plain_peer

Loop = asyncio.AbstractEventLoop


class Buffered(asyncio.BufferedProtocol):
    """Collects what arrives in a small buffer."""

    def __init__(self, loop: Loop, size: int = 64) -> None:
        self.buffer = bytearray(size)
        self.received = bytearray()
        self.hints: list[int] = []
        self.lost: asyncio.Future[Any] = loop.create_future()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def get_buffer(self, sizehint: int) -> Any:
        self.hints.append(sizehint)
        return self.buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.received += self.buffer[:nbytes]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)


def test_everything_arrives_through_a_small_buffer(any_loop: Loop) -> None:
    async def main() -> None:
        protocol = Buffered(any_loop)
        async with plain_peer(any_loop, protocol) as (_, peer):
            data = bytes(range(256)) * 300
            await any_loop.sock_sendall(peer, data)
            peer.close()
            assert await protocol.lost is None
            assert protocol.received == data
            assert set(protocol.hints) == {-1}

    run(any_loop, main())


def test_buffer_can_be_resized_while_it_is_updated(any_loop: Loop) -> None:
    class Resizing(Buffered):
        def buffer_updated(self, nbytes: int) -> None:
            super().buffer_updated(nbytes)
            self.buffer.extend(bytes(nbytes))

    async def main() -> None:
        protocol = Resizing(any_loop)
        async with plain_peer(any_loop, protocol) as (_, peer):
            await any_loop.sock_sendall(peer, bytes(10_000))
            peer.close()
            await protocol.lost
            assert len(protocol.received) == 10_000

    run(any_loop, main())


READ_ERROR = "Fatal read error on socket transport"
NO_BUFFER = "Fatal error: protocol.get_buffer() call failed."
EMPTY = "get_buffer() returned an empty buffer"
UNUSABLE = "recv_into() argument 1 must be read-write bytes-like object, not "


@pytest.mark.parametrize(
    ("answer", "expected", "message"),
    [
        (b"", RuntimeError(EMPTY), NO_BUFFER),
        (bytearray(), RuntimeError(EMPTY), NO_BUFFER),
        (None, TypeError("object of type 'NoneType' has no len()"), NO_BUFFER),
        (5, TypeError("object of type 'int' has no len()"), NO_BUFFER),
        ("text", TypeError(UNUSABLE + "str"), READ_ERROR),
        (b"read only", TypeError(UNUSABLE + "bytes"), READ_ERROR),
        (memoryview(bytearray(8))[::2], TypeError(UNUSABLE + "memoryview"), READ_ERROR),
    ],
)
def test_unusable_buffer_ends_the_connection(
    any_loop: Loop, answer: Any, expected: Exception, message: str
) -> None:
    """zuvloop#31"""
    failures = Failures(any_loop)

    class Wrong(Buffered):
        def get_buffer(self, sizehint: int) -> Any:
            return answer

    async def main() -> None:
        protocol = Wrong(any_loop)
        async with plain_peer(any_loop, protocol) as (_, peer):
            peer.send(b"x")
            assert repr(await protocol.lost) == repr(expected)

    run(any_loop, main())
    assert failures.messages == [message]
    assert repr(failures.contexts[0]["exception"]) == repr(expected)


@pytest.mark.parametrize("method", ["get_buffer", "buffer_updated"])
def test_failing_method_is_reported(any_loop: Loop, method: str) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        protocol = Buffered(any_loop)

        def fail(*args: Any) -> None:
            raise ZeroDivisionError

        setattr(protocol, method, fail)
        async with plain_peer(any_loop, protocol) as (_, peer):
            peer.send(b"x")
            assert isinstance(await protocol.lost, ZeroDivisionError)

    run(any_loop, main())
    assert failures.messages == [f"Fatal error: protocol.{method}() call failed."]


def test_protocol_can_change_its_kind_while_data_arrives(any_loop: Loop) -> None:
    """uvloop#538"""

    async def main() -> None:
        buffered = Buffered(any_loop)

        class Switching(Recorder):
            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                self.transport.set_protocol(buffered)

        first = Switching(any_loop)
        async with plain_peer(any_loop, first) as (_, peer):
            peer.send(b"first")
            await first.until(lambda p: p.received)
            peer.send(b"second")
            peer.close()
            await buffered.lost
            assert (bytes(first.received), bytes(buffered.received)) == (b"first", b"second")

    run(any_loop, main())
