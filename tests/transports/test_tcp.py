"""TCP connections through protocols: data, names, options, life."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import weakref
from typing import Any

import pytest

from tests.support.loops import Failures, run
from tests.support.protocols import Echo, Recorder, drain_peer, plain_peer, serving

Loop = asyncio.AbstractEventLoop


def test_bytes_go_there_and_back(any_loop: Loop) -> None:
    async def main() -> None:
        async with serving(lambda: Echo(any_loop)) as (_, address):
            transport, client = await any_loop.create_connection(
                lambda: Recorder(any_loop), *address
            )
            sent = bytes(range(256)) * 4000
            transport.write(sent)
            await client.until(lambda c: len(c.received) == len(sent))
            assert client.received == sent
            transport.close()
            assert await client.lost is None
            assert client.calls[0] == "connection_made"
            assert client.calls[-1] == "connection_lost"
            assert client.calls.count("connection_lost") == 1

    run(any_loop, main())


def test_transport_is_asyncios_by_type_and_takes_attributes(any_loop: Loop) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, _):
            assert isinstance(transport, asyncio.Transport)
            assert not isinstance(transport, asyncio.DatagramTransport)
            transport.anything = 5
            assert transport.anything == 5
            assert weakref.ref(transport)() is transport
            transport.write = lambda data: "patched"
            assert transport.write(b"x") == "patched"
            del transport.write

    run(any_loop, main())


def test_extra_info_of_both_ends_agrees(any_loop: Loop) -> None:
    async def main() -> None:
        servers: list[Echo] = []

        def factory() -> Echo:
            servers.append(Echo(any_loop))
            return servers[-1]

        async with serving(factory) as (_, address):
            transport, client = await any_loop.create_connection(
                lambda: Recorder(any_loop), *address
            )
            transport.write(b"x")
            await client.until(lambda c: c.received)
            there = servers[0].transport
            assert transport.get_extra_info("peername") == address
            assert there.get_extra_info("sockname") == address
            assert there.get_extra_info("peername") == transport.get_extra_info("sockname")
            sock = there.get_extra_info("socket")
            assert isinstance(sock, asyncio.trsock.TransportSocket)
            assert sock.getsockname() == address
            assert sock.family == socket.AF_INET and sock.type == socket.SOCK_STREAM
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert there.get_extra_info("nothing") is None
            assert there.get_extra_info("nothing", default=3) == 3
            assert there.get_extra_info(name="nothing", default=4) == 4
            transport.close()
            await client.lost
            assert transport.get_extra_info("peername") == address

    run(any_loop, main())


def test_peer_name_is_known_even_when_the_client_resets_at_once(any_loop: Loop) -> None:
    """uvloop#560"""
    names: list[Any] = []

    class Server(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            names.append(transport.get_extra_info("peername"))
            transport.abort()

    async def main() -> None:
        async with serving(Server) as (_, address):
            for _ in range(50):  # What the backlog takes.
                sock = socket.create_connection(address)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                sock.close()
            while len(names) < 50:
                await asyncio.sleep(0.001)

    run(any_loop, main())
    if "cxxloop" in type(any_loop).__module__:
        assert None not in names


def test_order_of_the_first_calls_is_made_data_eof_lost(any_loop: Loop) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        theirs.sendall(b"early")
        theirs.shutdown(socket.SHUT_WR)
        protocol = Recorder(any_loop)
        await any_loop.create_unix_connection(lambda: protocol, sock=ours)
        await protocol.lost
        theirs.close()
        assert protocol.calls == [
            "connection_made",
            "data_received",
            "eof_received",
            "connection_lost",
        ]

    run(any_loop, main())


def test_half_closed_connection_goes_on_writing(any_loop: Loop) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        protocol.keep_open_at_eof = True
        async with plain_peer(any_loop, protocol) as (transport, peer):
            peer.shutdown(socket.SHUT_WR)
            await protocol.ended
            transport.write(b"still here")
            transport.write_eof()
            assert await drain_peer(any_loop, peer) == b"still here"
            transport.close()
            assert await protocol.lost is None

    run(any_loop, main())


def test_write_eof_comes_after_everything_written(any_loop: Loop) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        protocol.keep_open_at_eof = True
        async with plain_peer(any_loop, protocol) as (transport, peer):
            assert transport.can_write_eof()
            data = bytes(5_000_000)
            transport.write(data)
            transport.write_eof()
            transport.write_eof()
            assert await drain_peer(any_loop, peer) == data

    run(any_loop, main())


def test_set_protocol_delivers_to_the_new_one(any_loop: Loop) -> None:
    async def main() -> None:
        first, second = Recorder(any_loop), Recorder(any_loop)
        async with plain_peer(any_loop, first) as (transport, peer):
            assert transport.get_protocol() is first
            transport.set_protocol(second)
            assert transport.get_protocol() is second
            peer.send(b"hello")
            await second.until(lambda p: p.received)
            peer.close()
            await second.lost
            assert first.calls == ["connection_made"]

    run(any_loop, main())


def test_pause_and_resume_reading(any_loop: Loop) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, peer):
            assert transport.is_reading()
            transport.pause_reading()
            transport.pause_reading()
            assert not transport.is_reading()
            peer.send(b"held")
            for _ in range(10):
                await asyncio.sleep(0)
            assert not protocol.received
            transport.resume_reading()
            transport.resume_reading()
            await protocol.until(lambda p: p.received)
            assert protocol.received == b"held"

    run(any_loop, main())


@pytest.mark.asyncio_since((3, 11, 7), "the pause was undone before")
def test_connection_made_that_pauses_gets_no_data(any_loop: Loop) -> None:
    class Pausing(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.pause_reading()

    async def main() -> None:
        protocol = Pausing(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, peer):
            peer.send(b"x")
            for _ in range(10):
                await asyncio.sleep(0)
            assert protocol.calls == ["connection_made"]
            transport.resume_reading()
            await protocol.until(lambda p: p.received)

    run(any_loop, main())


@pytest.mark.parametrize("method", ["connection_made", "data_received", "eof_received"])
def test_failing_protocol_is_reported(any_loop: Loop, method: str) -> None:
    """zuvloop#23"""

    class Failing(Recorder):
        pass

    def fail(self: Any, *args: Any) -> None:
        getattr(Recorder, method)(self, *args)
        raise ZeroDivisionError(method)

    setattr(Failing, method, fail)
    failures = Failures(any_loop)

    async def main() -> None:
        protocol = Failing(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, peer):
            peer.send(b"data")
            peer.shutdown(socket.SHUT_WR)
            lost = await protocol.lost
            assert protocol.calls.count(method) == 1
            if method != "connection_made":
                assert isinstance(lost, ZeroDivisionError)
                assert transport.is_closing()
        (context,) = failures.contexts
        assert isinstance(context["exception"], ZeroDivisionError)
        expected = {
            "connection_made": "Exception in callback ",
            "data_received": "Fatal error: protocol.data_received() call failed.",
            "eof_received": "Fatal error: protocol.eof_received() call failed.",
        }
        assert context["message"].startswith(expected[method])
        if method != "connection_made":
            assert context["transport"] is transport
            assert context["protocol"] is protocol

    run(any_loop, main())


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize(
    "method", ["connection_made", "data_received", "eof_received", "connection_lost"]
)
def test_exits_of_protocols_leave_the_run(any_loop: Loop, method: str, kind: type) -> None:
    """uvloop swallows them"""
    ours, theirs = socket.socketpair()
    protocol = Recorder(any_loop)

    def leave(*args: Any) -> None:
        raise kind(method)

    setattr(protocol, method, leave)
    theirs.sendall(b"data")
    theirs.shutdown(socket.SHUT_WR)
    if method == "connection_lost":
        theirs.close()

    async def main() -> None:
        await any_loop.create_unix_connection(lambda: protocol, sock=ours)
        await any_loop.create_future()

    with pytest.raises(kind, match=method):
        any_loop.run_until_complete(main())
    theirs.close()
    if protocol.transport is not None:
        protocol.transport.abort()
    any_loop.call_later(0.01, any_loop.stop)
    any_loop.run_forever()
    gc.collect()


def test_unclosed_transport_warns_when_it_is_collected(any_loop: Loop) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        transport, _ = await any_loop.create_unix_connection(asyncio.Protocol, sock=ours)
        transport.pause_reading()  # The loop lets go of it.
        with pytest.warns(ResourceWarning, match="unclosed transport"):
            del transport
            await asyncio.sleep(0)
            gc.collect()
        theirs.close()

    run(any_loop, main())


def test_context_of_the_creation_is_seen_by_every_call(any_loop: Loop) -> None:
    """uvloop#305"""
    import contextvars

    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    seen: dict[str, str] = {}

    class Seeing(Recorder):
        def connection_made(self, transport: Any) -> None:
            seen["made"] = variable.get()
            super().connection_made(transport)

        def data_received(self, data: bytes) -> None:
            seen["data"] = variable.get()
            super().data_received(data)

        def connection_lost(self, exc: Any) -> None:
            seen["lost"] = variable.get()
            super().connection_lost(exc)

    async def main() -> None:
        protocols: list[Seeing] = []

        def factory() -> Seeing:
            seen["factory"] = variable.get()
            protocols.append(Seeing(any_loop))
            return protocols[-1]

        variable.set("server")
        async with serving(factory) as (_, address):
            variable.set("later")
            with socket.create_connection(address) as client:
                client.sendall(b"x")
                while not protocols or not protocols[0].received:
                    await asyncio.sleep(0)
            await protocols[0].lost

    run(any_loop, main())
    assert seen == dict.fromkeys(["factory", "made", "data", "lost"], "server")


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors")
def test_many_short_connections_leave_no_descriptor(any_loop: Loop) -> None:
    import os

    async def main() -> None:
        async with serving(lambda: Echo(any_loop)) as (_, address):

            async def one() -> None:
                transport, client = await any_loop.create_connection(
                    lambda: Recorder(any_loop), *address
                )
                transport.write(b"x")
                await client.until(lambda c: c.received)
                transport.close()
                await client.lost

            await one()
            before = len(os.listdir("/proc/self/fd"))
            for _ in range(20):
                await asyncio.gather(*[one() for _ in range(25)])
            await asyncio.sleep(0.01)
            assert len(os.listdir("/proc/self/fd")) <= before + 2

    run(any_loop, main())
