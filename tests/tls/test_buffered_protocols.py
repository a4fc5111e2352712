"""BufferedProtocol over TLS: whatever the size of the buffer, nothing is lost."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any

import pytest

from tests.support.certificates import Certificates
from tests.support.loops import Failures, run
from tests.support.protocols import Recorder
from tests.support.tls_peers import TlsPeer, connect, raw_peer, tls_peer

Loop = asyncio.AbstractEventLoop


class Buffered(asyncio.BufferedProtocol):
    """Receives into one buffer of a given size."""

    def __init__(self, loop: Loop, size: int) -> None:
        self.recorder = Recorder(loop)
        self.buffer = bytearray(size)
        self.counts: list[int] = []

    @property
    def received(self) -> bytearray:
        return self.recorder.received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.recorder.connection_made(transport)

    def get_buffer(self, sizehint: int) -> Any:
        return memoryview(self.buffer)

    def buffer_updated(self, nbytes: int) -> None:
        assert 0 < nbytes <= len(self.buffer)
        self.counts.append(nbytes)
        self.recorder.data_received(bytes(self.buffer[:nbytes]))

    def eof_received(self) -> bool:
        return self.recorder.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self.recorder.connection_lost(exc)


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_everything_arrives_through_a_buffer_of_any_size(
    any_loop: Loop, certificates: Certificates, version: ssl.TLSVersion, size: int
) -> None:
    async def main() -> None:
        data = bytes(range(256)) * min(size, 200) * 2
        protocol = Buffered(any_loop, size)
        async with tls_peer(any_loop, protocol, certificates, version=version) as (_, peer):
            await peer.send(data)
            await any_loop.sock_sendall(peer.sock, peer.close_notify())
            await protocol.recorder.ended
            assert protocol.received == data
            await peer.until_gone()
            assert await protocol.recorder.lost is None

    run(any_loop, main())


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_records_that_share_a_buffer_follow_each_other(
    loop: Loop, certificates: Certificates, kind: type
) -> None:
    """asyncio reads into a copy of what is left of a bytearray, and loses it."""

    class Sharing(Buffered):
        def get_buffer(self, sizehint: int) -> Any:
            return self.buffer if kind is bytearray else memoryview(self.buffer)

    async def main() -> None:
        first, second = b"first" * 100, b"second" * 100
        protocol = Sharing(loop, 4096)
        async with tls_peer(loop, protocol, certificates) as (_, peer):
            peer.tls.write(first)
            peer.tls.write(second)
            await peer.flush()
            await protocol.recorder.until(lambda it: len(it.received) >= len(first) + len(second))
            assert protocol.received == first + second

    run(loop, main())


def test_data_that_came_with_the_handshake_is_delivered(
    any_loop: Loop, certificates: Certificates
) -> None:
    async def main() -> None:
        protocol = Buffered(any_loop, 3)
        async with raw_peer() as (ours, theirs):
            made = connect(any_loop, protocol, ours, certificates.for_server(), server_side=True)
            peer = TlsPeer(any_loop, theirs, certificates.for_client(), server_side=False)
            with pytest.raises(ssl.SSLWantReadError):
                peer.tls.do_handshake()
            await peer.flush()
            while True:
                await peer.fill()
                try:
                    peer.tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    await peer.flush()
            # The last flight of the handshake and the data go in one segment.
            assert theirs.send(peer.encrypt(b"in the same segment")) > 0
            transport, _ = await made
            await protocol.recorder.until(lambda p: p.received == b"in the same segment")
            transport.abort()
            await protocol.recorder.lost

    run(any_loop, main())


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_protocol_becomes_a_plain_one_in_the_middle_of_a_record(
    any_loop: Loop, certificates: Certificates, size: int
) -> None:
    async def main() -> None:
        plain = Recorder(any_loop)
        data = bytes(range(256)) * 10

        class Switching(Buffered):
            def buffer_updated(self, nbytes: int) -> None:
                super().buffer_updated(nbytes)
                self.transport.set_protocol(plain)

        first = Switching(any_loop, size)
        async with tls_peer(any_loop, first, certificates) as (transport, peer):
            await peer.send(data)
            await plain.until(lambda p: len(p.received) == len(data) - size)
            assert first.received + plain.received == data
            assert plain.calls == ["data_received"]
            assert transport.get_protocol() is plain
            transport.write(b"fine")
            assert await peer.receive() == b"fine"
            transport.abort()
            assert await plain.lost is None

    run(any_loop, main())


def test_protocol_becomes_a_buffered_one_while_data_arrives(
    any_loop: Loop, certificates: Certificates
) -> None:
    """uvloop#538"""

    async def main() -> None:
        buffered = Buffered(any_loop, 5)

        class Switching(Recorder):
            def data_received(self, data: bytes) -> None:
                super().data_received(data)
                self.transport.set_protocol(buffered)

        first = Switching(any_loop)
        async with tls_peer(any_loop, first, certificates) as (_, peer):
            await peer.send(b"first")
            await first.until(lambda p: p.received)
            await peer.send(b"second and third")
            await buffered.recorder.until(lambda p: len(p.received) == 16)
            assert first.received == b"first"
            assert buffered.received == b"second and third"

    run(any_loop, main())


@pytest.mark.parametrize("method", ["pause_reading", "abort"])
def test_transport_may_be_stopped_between_two_buffers(
    any_loop: Loop, certificates: Certificates, method: str
) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        class Stopping(Buffered):
            def buffer_updated(self, nbytes: int) -> None:
                super().buffer_updated(nbytes)
                if len(self.counts) == 3:
                    getattr(self.transport, method)()

        protocol = Stopping(any_loop, 10)
        async with tls_peer(any_loop, protocol, certificates) as (transport, peer):
            await peer.send(bytes(100))
            await protocol.recorder.until(lambda p: len(p.received) >= 30)
            if method == "pause_reading":
                for _ in range(5):
                    await asyncio.sleep(0)
                assert len(protocol.received) == 30
                transport.resume_reading()
                await protocol.recorder.until(lambda p: len(p.received) == 100)
            else:
                peer.sock.close()
                assert await protocol.recorder.lost is None

    run(any_loop, main())
    assert failures.contexts == []


@pytest.mark.parametrize("answer", [None, 5, b"read only", memoryview(b"read only")])
def test_unusable_buffer_ends_the_connection(
    any_loop: Loop, certificates: Certificates, answer: Any
) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        class Wrong(Buffered):
            def get_buffer(self, sizehint: int) -> Any:
                return answer

        protocol = Wrong(any_loop, 1)
        async with raw_peer() as (ours, theirs):
            made = connect(any_loop, protocol, ours, certificates.for_client())
            peer = TlsPeer(any_loop, theirs, certificates.for_server(), server_side=True)
            with contextlib.suppress(OSError, EOFError):
                await peer.handshake()
                await peer.send(b"x")  # asyncio has tried the buffer already.
            await made
            lost = await protocol.recorder.lost
            assert isinstance(lost, (TypeError, BufferError))

    run(any_loop, main())
    assert failures.messages == ["Fatal error on SSL protocol"]


def test_empty_buffer_ends_the_connection(any_loop: Loop, certificates: Certificates) -> None:
    """asyncio takes it for the peer's end"""

    async def main() -> None:
        protocol = Buffered(any_loop, 0)
        async with raw_peer() as (ours, theirs):
            made = connect(any_loop, protocol, ours, certificates.for_client())
            peer = TlsPeer(any_loop, theirs, certificates.for_server(), server_side=True)
            await peer.handshake()
            await made
            await protocol.recorder.ended
            theirs.close()
            await protocol.recorder.lost

    run(any_loop, main())
