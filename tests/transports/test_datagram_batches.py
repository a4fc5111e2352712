"""Datagrams that arrive together are delivered one by one, as with asyncio: nothing is lost or out
of order when the program pauses, closes, stops, raises or has other things to do in between."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from typing import Any

import pytest

from tests.support.datagrams import (
    DatagramEcho,
    DatagramRecorder,
    acting,
    address_of,
    bring_into_bursts,
    endpoint,
    everything_in,
    numbers,
    plain_socket,
)
from tests.support.loops import Failures, run

Loop = asyncio.AbstractEventLoop
NUMBER: contextvars.ContextVar[int] = contextvars.ContextVar("NUMBER", default=0)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 31, 32, 33, 63, 64, 65, 100])
def test_bursts_of_every_size_arrive_whole_and_are_answered(any_loop: Loop, count: int) -> None:
    async def main() -> None:
        async with acting({}) as (_, protocol, sock):
            for data in numbers(count):
                sock.send(data)
            await protocol.until_received(count)
            assert protocol.data == numbers(count)
            assert everything_in(sock) == numbers(count)

    run(any_loop, main())


def test_senders_are_told_apart(any_loop: Loop) -> None:
    async def main() -> None:
        async with endpoint(DatagramEcho) as (transport, protocol):
            with contextlib.ExitStack() as stack:
                peers = [
                    stack.enter_context(plain_socket(connect=address_of(transport)))
                    for _ in range(20)
                ]
                for _ in range(3):
                    for number, peer in enumerate(peers):
                        peer.send(b"%d" % number)
                    await protocol.until_received(20)
                    senders = [(data, addr) for data, addr in protocol.received]
                    expected = [(b"%d" % i, peer.getsockname()) for i, peer in enumerate(peers)]
                    assert senders == expected
                    protocol.received.clear()
                for number, peer in enumerate(peers):
                    assert everything_in(peer) == [b"%d" % number] * 3

    run(any_loop, main())


def test_callbacks_run_between_datagrams(any_loop: Loop) -> None:
    order: list[bytes] = []

    class Scheduler(DatagramRecorder):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            order.append(data)
            any_loop.call_soon(order.append, b"soon after " + data)

    async def main() -> None:
        async with endpoint(Scheduler) as (transport, protocol):
            with plain_socket(connect=address_of(transport)) as sock:
                await bring_into_bursts(transport, protocol, sock)
                await asyncio.sleep(0)
                order.clear()
                for data in numbers(10):
                    sock.send(data)
                await protocol.until_received(10)
                await asyncio.sleep(0)
        expected = [item for data in numbers(10) for item in (data, b"soon after " + data)]
        assert order == expected

    run(any_loop, main())


def test_endpoints_take_turns(any_loop: Loop) -> None:
    order: list[str] = []

    class Named(DatagramRecorder):
        name = ""

        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            order.append(self.name)

    async def main() -> None:
        async with endpoint(Named) as (first, one), endpoint(Named) as (second, two):
            with (
                plain_socket(connect=address_of(first)) as to_first,
                plain_socket(connect=address_of(second)) as to_second,
            ):
                await bring_into_bursts(first, one, to_first)
                await bring_into_bursts(second, two, to_second)
                one.name, two.name = "a", "b"
                order.clear()
                for data in numbers(5):
                    to_first.send(data)
                    to_second.send(data)
                await one.until_received(5)
                await two.until_received(5)
        assert [sorted(order[i : i + 2]) for i in range(0, 10, 2)] == [["a", "b"]] * 5

    run(any_loop, main())


@pytest.mark.asyncio_since((3, 11, 7), "no pauses of datagrams before")
def test_paused_endpoint_delivers_nothing_until_it_is_resumed(any_loop: Loop) -> None:
    """zuvloop#26"""

    async def main() -> None:
        actions = {b"3": lambda self: self.transport.pause_reading()}
        async with acting(actions) as (transport, protocol, sock):
            for data in numbers(10):
                sock.send(data)
            await protocol.until_received(4)
            for _ in range(10):
                await asyncio.sleep(0)
            assert protocol.data == numbers(4)
            assert everything_in(sock) == numbers(4)
            assert not transport.is_reading()
            transport.pause_reading()
            transport.resume_reading()
            transport.resume_reading()
            assert transport.is_reading()
            await protocol.until_received(10)
            assert protocol.data == numbers(10)

    run(any_loop, main())


@pytest.mark.asyncio_since((3, 11, 7), "no pauses of datagrams before")
def test_endpoint_can_begin_paused(any_loop: Loop) -> None:
    class Paused(DatagramRecorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.pause_reading()

    async def main() -> None:
        async with endpoint(Paused) as (transport, protocol):
            with plain_socket(connect=address_of(transport)) as sock:
                sock.send(b"x")
                for _ in range(5):
                    await asyncio.sleep(0)
                assert protocol.received == []
                transport.resume_reading()
                await protocol.until_received(1)

    run(any_loop, main())


@pytest.mark.parametrize("way", ["close", "abort"])
def test_nothing_is_delivered_after_close(any_loop: Loop, way: str) -> None:
    """zuvloop#77"""

    async def main() -> None:
        actions = {b"3": lambda self: getattr(self.transport, way)()}
        async with acting(actions) as (transport, protocol, sock):
            for data in numbers(10):
                sock.send(data)
            await protocol.lost
            with contextlib.suppress(ConnectionRefusedError):
                sock.send(b"late")
            for _ in range(5):
                await asyncio.sleep(0)
            assert protocol.data == numbers(4)
            assert protocol.calls[-2:] == ["datagram_received", "connection_lost"]
            with contextlib.suppress(ConnectionRefusedError):
                assert everything_in(sock) == numbers(4)
            assert transport.is_closing()

    run(any_loop, main())


def test_what_the_protocol_raises_is_a_callbacks_failure(any_loop: Loop) -> None:
    def fail(self: Any) -> None:
        raise LookupError("in datagram_received")

    async def main() -> None:
        failures = Failures(any_loop)
        async with acting({b"3": fail, b"4": fail}) as (transport, protocol, sock):
            for data in numbers(10):
                sock.send(data)
            await protocol.until_received(10)
            assert protocol.data == numbers(10)
            assert everything_in(sock) == numbers(10)
            assert not transport.is_closing()
        assert len(failures.messages) == 2
        assert "Transport._read_ready" in failures.messages[0]
        assert failures.messages[0].startswith("Exception in callback ")
        assert isinstance(failures.contexts[0]["exception"], LookupError)
        assert set(failures.contexts[0]) >= {"message", "exception", "handle"}

    run(any_loop, main())


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_exit_leaves_the_loop_and_the_rest_comes_later(
    any_loop: Loop, kind: type[BaseException]
) -> None:
    def leave(self: Any) -> None:
        raise kind

    async def main() -> None:
        async with acting({b"3": leave}) as (_, protocol, sock):
            for data in numbers(10):
                sock.send(data)
            await protocol.until_received(10)
            assert protocol.data == numbers(10)
            assert everything_in(sock) == numbers(10)

    task = any_loop.create_task(main())
    with pytest.raises(kind):
        any_loop.run_until_complete(task)
    any_loop.run_until_complete(task)


def test_stopped_loop_delivers_nothing_more(any_loop: Loop) -> None:
    protocols: list[Any] = []

    async def main() -> None:
        async with acting({b"3": lambda _: any_loop.stop()}) as (_, protocol, sock):
            protocols.append(protocol)
            for data in numbers(10):
                sock.send(data)
            await protocol.until_received(10)
            assert protocol.data == numbers(10)

    task = any_loop.create_task(main())
    any_loop.run_forever()
    assert protocols[0].data == numbers(4)
    any_loop.run_until_complete(task)


@pytest.mark.asyncio_since((3, 11, 7), "no pauses of datagrams before")
def test_all_datagrams_are_delivered_in_one_context_of_their_own(any_loop: Loop) -> None:
    seen: list[int] = []

    class Counter(DatagramRecorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            seen.append(NUMBER.get())
            NUMBER.set(100)

        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            seen.append(NUMBER.get())
            NUMBER.set(NUMBER.get() + 1)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            seen.append(NUMBER.get())

    async def main() -> None:
        NUMBER.set(7)
        async with endpoint(Counter) as (transport, protocol):
            NUMBER.set(50)
            with plain_socket(connect=address_of(transport)) as sock:
                for data in numbers(3):
                    sock.send(data)
                await protocol.until_received(3)
                sock.send(b"x")
                await protocol.until_received(4)
                assert seen == [7, 7, 8, 9, 10]
                transport.pause_reading()
                transport.resume_reading()
                sock.send(b"x")
                await protocol.until_received(5)
                assert seen.pop() == 50
                transport.close()
                await protocol.lost
                assert seen.pop() == 50

    run(any_loop, main())


def test_new_protocol_gets_the_next_datagram(any_loop: Loop) -> None:
    async def main() -> None:
        other = DatagramRecorder()
        actions = {b"3": lambda self: self.transport.set_protocol(other)}
        async with acting(actions) as (transport, protocol, sock):
            for data in numbers(10):
                sock.send(data)
            await other.until_received(6)
            assert protocol.data == numbers(4)
            assert other.data == numbers(6, 4)
            assert transport.get_protocol() is other

    run(any_loop, main())
