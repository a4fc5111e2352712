"""Back pressure of both layers, and the limits of both."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Any

import pytest

from tests.support.certificates import Certificates
from tests.support.loops import Failures, run
from tests.support.protocols import Recorder
from tests.support.tls_peers import tls_peer

Loop = asyncio.AbstractEventLoop


class Pausing(Recorder):
    """Knows whether it may write."""

    may_write = True

    def pause_writing(self) -> None:
        assert self.may_write
        self.may_write = False
        super().pause_writing()

    def resume_writing(self) -> None:
        assert not self.may_write
        self.may_write = True
        super().resume_writing()


def test_much_goes_both_ways_at_once_with_back_pressure(
    any_loop: Loop, certificates: Certificates
) -> None:
    size = 16 << 20
    piece = bytes(range(256)) * 1024

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.gather(send(writer), receive(reader))
        writer.close()

    async def send(writer: asyncio.StreamWriter) -> None:
        for _ in range(size // len(piece)):
            writer.write(piece)
            assert writer.transport.get_write_buffer_size() <= (512 << 10) + 2 * len(piece)
            await writer.drain()

    async def receive(reader: asyncio.StreamReader) -> None:
        for _ in range(size // len(piece)):
            assert await reader.readexactly(len(piece)) == piece

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificates.for_server())
        address = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(
            *address, ssl=certificates.for_client(), server_hostname="localhost"
        )
        await asyncio.gather(send(writer), receive(reader))
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        server.close()

    run(any_loop, main())


def test_writer_is_paused_until_a_slow_peer_has_read(
    any_loop: Loop, certificates: Certificates, server_side: bool
) -> None:
    async def main() -> None:
        protocol = Pausing(any_loop)
        async with tls_peer(any_loop, protocol, certificates, server_side=server_side) as (
            transport,
            peer,
        ):
            written = 0
            while protocol.may_write:
                transport.write(bytes(50_000))
                written += 50_000
            assert transport.get_write_buffer_size() >= transport.get_write_buffer_limits()[1]
            assert protocol.calls == ["connection_made", "pause_writing"]
            await peer.receive_exactly(written)
            await protocol.until(lambda p: p.calls[-1] == "resume_writing")
            assert protocol.calls == ["connection_made", "pause_writing", "resume_writing"]
            assert transport.get_write_buffer_size() == 0

    run(any_loop, main())


def test_one_writelines_above_the_limit_pauses(any_loop: Loop, certificates: Certificates) -> None:
    """cpython#127656; what the transport below has taken doesn't count"""

    async def main() -> None:
        protocol = Pausing(any_loop)
        async with tls_peer(any_loop, protocol, certificates) as (transport, peer):
            transport.write(bytes(1 << 20))
            assert (protocol.may_write, transport.get_write_buffer_size()) == (True, 0)
            transport.writelines([bytes(1 << 18)] * 4)
            assert protocol.calls == ["connection_made", "pause_writing"]
            await peer.receive_exactly(2 << 20)

    run(any_loop, main())


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        ({}, (128 << 10, 512 << 10)),
        ({"high": 1000}, (250, 1000)),
        ({"low": 1000}, (1000, 4000)),
        ({"high": 1000, "low": 10}, (10, 1000)),
        ({"high": 0}, (0, 0)),
    ],
)
def test_write_limits_are_those_of_asyncio(
    any_loop: Loop, certificates: Certificates, given: dict[str, int], limits: tuple[int, int]
) -> None:
    async def main() -> None:
        async with tls_peer(any_loop, Recorder(any_loop), certificates) as (transport, _):
            transport.set_write_buffer_limits(**given)
            assert transport.get_write_buffer_limits() == limits
            transport.set_read_buffer_limits(**given)
            if given:
                assert transport.get_read_buffer_limits() == limits
            else:
                assert transport.get_read_buffer_limits() == (64 << 10, 256 << 10)

    run(any_loop, main())


@pytest.mark.parametrize("method", ["set_write_buffer_limits", "set_read_buffer_limits"])
@pytest.mark.parametrize("limits", [(1, 2), (-1, None), (None, -1)])
def test_impossible_limits_are_refused(
    any_loop: Loop, certificates: Certificates, method: str, limits: tuple[Any, Any]
) -> None:
    high, low = limits

    async def main() -> None:
        async with tls_peer(any_loop, Recorder(any_loop), certificates) as (transport, _):
            before = transport.get_write_buffer_limits(), transport.get_read_buffer_limits()
            with pytest.raises(ValueError) as info:
                getattr(transport, method)(high, low)
            shown = (1, 2) if low == 2 else (-1, -1) if low is None else (-4, -1)
            assert str(info.value) == "high ({}) must be >= low ({}) must be >= 0".format(*shown)
            after = transport.get_write_buffer_limits(), transport.get_read_buffer_limits()
            assert after == before

    run(any_loop, main())


def test_limits_below_what_waits_pause_at_once(any_loop: Loop, certificates: Certificates) -> None:
    async def main() -> None:
        protocol = Pausing(any_loop)
        async with tls_peer(any_loop, protocol, certificates) as (transport, peer):
            written = 0
            while transport.get_write_buffer_size() == 0:
                transport.write(bytes(30_000))
                written += 30_000
            assert protocol.may_write
            transport.set_write_buffer_limits(high=10)
            assert not protocol.may_write
            transport.set_write_buffer_limits()
            assert protocol.may_write
            await peer.receive_exactly(written)

    run(any_loop, main())


def test_paused_reader_stops_the_peer_and_loses_nothing(
    any_loop: Loop, certificates: Certificates, version: ssl.TLSVersion
) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        async with tls_peer(any_loop, protocol, certificates, version=version) as (transport, peer):
            transport.pause_reading()
            assert not transport.is_reading()
            data = bytes(range(256)) * 16_384
            sending = asyncio.ensure_future(peer.send(data))
            while transport.get_read_buffer_size() < transport.get_read_buffer_limits()[1]:
                await asyncio.sleep(0)
            for _ in range(20):
                await asyncio.sleep(0)
            assert not sending.done()
            assert transport.get_read_buffer_size() < (1 << 20)
            assert protocol.received == b""
            transport.resume_reading()
            assert transport.is_reading()
            await protocol.until(lambda p: len(p.received) == len(data))
            await sending
            assert protocol.received == data

    run(any_loop, main())


def test_reading_is_paused_and_resumed_in_the_middle(
    any_loop: Loop, certificates: Certificates
) -> None:
    async def main() -> None:
        class Resting(Recorder):
            def data_received(self, data: bytes) -> None:
                assert self.transport.is_reading()
                super().data_received(data)
                self.transport.pause_reading()
                self.transport.pause_reading()
                self.loop.call_soon(self.transport.resume_reading)

        protocol = Resting(any_loop)
        data = bytes(range(256)) * 8192
        async with tls_peer(any_loop, protocol, certificates) as (_, peer):
            await peer.send(data)
            await protocol.until(lambda p: len(p.received) == len(data))
            assert protocol.received == data

    run(any_loop, main())


def test_pause_and_resume_in_one_callback_is_no_pause(
    any_loop: Loop, certificates: Certificates
) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        async with tls_peer(any_loop, protocol, certificates) as (transport, peer):
            for number in range(50):
                transport.pause_reading()
                transport.resume_reading()
                await peer.send(b"%02d" % number)
            await protocol.until(lambda p: p.received.endswith(b"49"))
            transport.pause_reading()
            await peer.send(b"later")
            transport.resume_reading()
            transport.resume_reading()
            await protocol.until(lambda p: p.received.endswith(b"later"))

    run(any_loop, main())


@pytest.mark.parametrize("method", ["pause_writing", "resume_writing"])
def test_failing_callback_is_reported_and_the_connection_lives(
    any_loop: Loop, certificates: Certificates, method: str
) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        class Failing(Pausing):
            pass

        def fail(self: Failing) -> None:
            Pausing.__dict__[method](self)
            raise ZeroDivisionError(method)

        setattr(Failing, method, fail)
        protocol = Failing(any_loop)
        async with tls_peer(any_loop, protocol, certificates) as (transport, peer):
            for _ in range(2):
                transport.write(bytes(1 << 20))
            await peer.receive_exactly(2 << 20)
            await protocol.until(lambda p: p.calls[-1] == "resume_writing")
            [context] = failures.contexts
            assert context["message"] == f"protocol.{method}() failed"
            assert str(context["exception"]) == method
            assert context["transport"] is transport
            assert context["protocol"] is transport._ssl_protocol

    run(any_loop, main())


def test_stalled_peer_costs_linear_time(any_loop: Loop, certificates: Certificates) -> None:
    """cpython#146518"""

    async def main() -> None:
        async with tls_peer(any_loop, Recorder(any_loop), certificates) as (transport, peer):
            transport.set_write_buffer_limits(high=1 << 30)
            written = 0
            while transport.get_write_buffer_size() == 0:
                transport.write(bytes(100_000))
                written += 100_000
            for _ in range(2000):
                transport.write(b"x")
            received = await peer.receive_exactly(written + 2000)
            assert received.endswith(b"\0" + b"x" * 2000)

    run(any_loop, main())


@pytest.mark.parametrize("way", ["reset", "end"])
def test_connection_that_breaks_while_it_is_written_to_ends_the_writer(
    any_loop: Loop, certificates: Certificates, way: str
) -> None:
    """uvloop#639, python/cpython#118950"""
    failures = Failures(any_loop)

    async def main() -> None:
        reader, protocol_lost = asyncio.StreamReader(), any_loop.create_future()

        class Protocol(asyncio.StreamReaderProtocol):
            def connection_lost(self, exc: Exception | None) -> None:
                protocol_lost.set_result(exc)
                super().connection_lost(exc)

        protocol = Protocol(reader)
        async with tls_peer(any_loop, protocol, certificates) as (transport, peer):
            writer = asyncio.StreamWriter(transport, protocol, reader, any_loop)
            writing = asyncio.ensure_future(write_until_it_fails(writer))
            await peer.receive_exactly(1 << 20)
            if way == "end":
                peer.sock.shutdown(socket.SHUT_RDWR)
            peer.sock.close()
            with pytest.raises(ConnectionError):
                await writing
            assert isinstance(await protocol_lost, (OSError, type(None)))
            assert transport.is_closing()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def write_until_it_fails(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(bytes(1 << 16))
            await writer.drain()

    run(any_loop, main())
    assert failures.contexts == []
