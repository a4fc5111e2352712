"""What an encrypted connection delivers: all of it, in order, however it comes."""

from __future__ import annotations

import array
import asyncio
import ssl
from typing import Any

import pytest

from tests.support.certificates import Certificates
from tests.support.loops import Failures, run
from tests.support.protocols import Echo, Recorder
from tests.support.tls_peers import TlsPeer, connect, raw_peer, tls_peer

Loop = asyncio.AbstractEventLoop


def test_data_goes_both_ways(
    any_loop: Loop, certificates: Certificates, server_side: bool, version: ssl.TLSVersion
) -> None:
    async def main() -> None:
        protocol = Echo(any_loop)
        async with tls_peer(
            any_loop, protocol, certificates, server_side=server_side, version=version
        ) as (transport, peer):
            assert transport.get_extra_info("cipher")[1] == peer.tls.version()
            for size in (1, 100, 16_384, 16_385, 100_000):
                await peer.send(bytes(size))
                assert await peer.receive_exactly(size) == bytes(size)

    run(any_loop, main())


def test_record_may_be_split_at_every_byte(any_loop: Loop, certificates: Certificates) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        async with tls_peer(any_loop, protocol, certificates) as (_, peer):
            first = peer.encrypt(b"0123456789")
            await any_loop.sock_sendall(peer.sock, first)
            for count, split in enumerate(range(1, len(first)), start=2):
                record = peer.encrypt(b"0123456789")
                for part in (record[:split], record[split:]):
                    await any_loop.sock_sendall(peer.sock, part)
                    await asyncio.sleep(0)
                while len(protocol.received) < 10 * count:
                    await asyncio.sleep(0)
            assert protocol.received == b"0123456789" * len(first)

    run(any_loop, main())


def test_records_arrive_byte_by_byte(any_loop: Loop, certificates: Certificates) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        async with tls_peer(any_loop, protocol, certificates) as (_, peer):
            messages = [b"a", b"bb" * 50, b"", b"c" * 300]
            stream = peer.encrypt(*(message for message in messages if message))
            for byte in stream:
                await any_loop.sock_sendall(peer.sock, bytes([byte]))
                await asyncio.sleep(0)
            await protocol.until(lambda p: len(p.received) == 401)
            assert protocol.received == b"".join(messages)

    run(any_loop, main())


def test_handshake_arrives_byte_by_byte(
    any_loop: Loop, certificates: Certificates, version: ssl.TLSVersion
) -> None:
    async def main() -> None:
        server_context = certificates.for_server()
        server_context.minimum_version = server_context.maximum_version = version
        async with raw_peer() as (ours, theirs):
            protocol = Recorder(any_loop)
            made = connect(any_loop, protocol, ours, certificates.for_client())
            peer = TlsPeer(any_loop, theirs, server_context, server_side=True)
            shaken = False
            while not shaken:
                try:
                    peer.tls.do_handshake()
                    peer.tls.write(b"at once")
                    shaken = True
                except ssl.SSLWantReadError:
                    pass
                for byte in peer.take():
                    await any_loop.sock_sendall(theirs, bytes([byte]))
                    await asyncio.sleep(0)
                if not shaken:
                    await peer.fill()
            transport, _ = await made
            await protocol.until(lambda p: p.received == b"at once")
            transport.abort()
            await protocol.lost

    run(any_loop, main())


def test_many_records_in_one_segment_are_one_delivery(
    any_loop: Loop, certificates: Certificates
) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        async with tls_peer(any_loop, protocol, certificates) as (_, peer):
            stream = peer.encrypt(*(b"%d " % number for number in range(1000)))
            assert peer.sock.send(stream) == len(stream)
            await protocol.until(lambda p: p.received.endswith(b" 999 "))
            assert protocol.received == b"".join(b"%d " % number for number in range(1000))
            assert protocol.calls == ["connection_made", "data_received"]

    run(any_loop, main())


def test_many_small_writes_keep_their_order(
    any_loop: Loop, certificates: Certificates, server_side: bool
) -> None:
    """picows#40"""
    expected = b"".join(b"<%d>" % number for number in range(700))

    class Talkative(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            for number in range(500):
                transport.write(b"<%d>" % number)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            for number in range(500, 700):
                self.transport.write(b"<%d>" % number)

    async def main() -> None:
        async with tls_peer(
            any_loop, Talkative(any_loop), certificates, server_side=server_side
        ) as (_, peer):
            await peer.send(b"go on")
            assert await peer.receive_exactly(len(expected)) == expected

    run(any_loop, main())


WAYS: dict[str, list[Any]] = {
    "bytes": [b"one", b"two"],
    "bytearray": [bytearray(b"one"), bytearray(b"two")],
    "view": [memoryview(b"-one-")[1:4], memoryview(b"two")],
    "items of four bytes": [memoryview(array.array("i", range(100)))],
    "empty ones": [b"", b"one", b"", b"two"],
    "only empty ones": [b"", b""],
    "nothing": [],
}


@pytest.mark.parametrize("items", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("kind", [list, tuple, iter])
def test_everything_that_writelines_is_given_is_sent(
    any_loop: Loop, certificates: Certificates, items: list[Any], kind: Any
) -> None:
    """asyncpg#715"""

    async def main() -> None:
        async with tls_peer(any_loop, Recorder(any_loop), certificates) as (transport, peer):
            transport.writelines(kind(items))
            transport.write(b".")
            transport.close()
            assert await peer.receive_all() == b"".join(items) + b"."

    run(any_loop, main())


def test_large_view_of_wide_items_is_sent_whole(loop: Loop, certificates: Certificates) -> None:
    """asyncio takes items for bytes and loses what doesn't fit the first record"""

    async def main() -> None:
        view = memoryview(array.array("i", range(20_000)))
        async with tls_peer(loop, Recorder(loop), certificates) as (transport, peer):
            transport.write(view)
            assert await peer.receive_exactly(view.nbytes) == view.tobytes()

    run(loop, main())


def test_bytearray_may_be_changed_after_it_was_written(
    any_loop: Loop, certificates: Certificates
) -> None:
    async def main() -> None:
        async with tls_peer(any_loop, Recorder(any_loop), certificates) as (transport, peer):
            data = bytearray(b"before")
            transport.write(data)
            data[:] = b"after and longer"
            assert await peer.receive_exactly(6) == b"before"

    run(any_loop, main())


def test_bytearray_that_has_to_wait_is_copied(loop: Loop, certificates: Certificates) -> None:
    """asyncio sends the changed bytes"""

    async def main() -> None:
        async with raw_peer() as (ours, theirs):
            plain = Recorder(loop)
            transport, _ = await loop.create_connection(lambda: plain, sock=ours)
            context = certificates.for_client()
            upgrading = asyncio.ensure_future(
                loop.start_tls(transport, plain, context, server_hostname="localhost")
            )
            await asyncio.sleep(0)
            protocol: Any = transport.get_protocol()
            peer = TlsPeer(loop, theirs, certificates.for_server(), server_side=True)
            assert await peer.fill()  # The handshake has begun, and the write has to wait.
            data = bytearray(b"before")
            protocol._app_transport.write(data)
            data[:] = b"behind"
            await peer.handshake()
            upgraded: Any = await upgrading
            upgraded.write(b" and after")
            assert await peer.receive_exactly(16) == b"before and after"
            upgraded.abort()
            await plain.lost

    run(loop, main())


def test_view_with_gaps_is_refused(loop: Loop, certificates: Certificates) -> None:
    """asyncio ends the connection"""

    async def main() -> None:
        async with tls_peer(loop, Recorder(loop), certificates) as (transport, peer):
            with pytest.raises(BufferError):
                transport.write(memoryview(b"g.a.p.s.")[::2])
            transport.write(b"still there")
            assert await peer.receive() == b"still there"

    run(loop, main())


def test_writelines_sends_all_or_nothing(loop: Loop, certificates: Certificates) -> None:
    """asyncio sends what stands before the wrong item"""

    async def main() -> None:
        async with tls_peer(loop, Recorder(loop), certificates) as (transport, peer):
            with pytest.raises(TypeError):
                transport.writelines([b"before", "text", b"after"])
            transport.write(b"alone")
            assert await peer.receive() == b"alone"

    run(loop, main())


@pytest.mark.parametrize("data", ["text", 5, None, [b"list"], array.array("b", [1])])
def test_other_types_are_refused(any_loop: Loop, certificates: Certificates, data: Any) -> None:
    async def main() -> None:
        async with tls_peer(any_loop, Recorder(any_loop), certificates) as (transport, peer):
            name = type(data).__name__
            with pytest.raises(TypeError) as info:
                transport.write(data)
            assert str(info.value) == f"data: expecting a bytes-like instance, got {name}"
            transport.write(b"still there")
            assert await peer.receive() == b"still there"

    run(any_loop, main())


def test_connection_outlives_changed_keys(any_loop: Loop, certificates: Certificates) -> None:
    """TLS 1.3 tickets and the end of the handshake arrive between the first data."""
    failures = Failures(any_loop)

    async def main() -> None:
        protocol = Recorder(any_loop)
        async with raw_peer() as (ours, theirs):
            context = certificates.for_server()
            context.num_tickets = 8
            made = connect(any_loop, protocol, ours, certificates.for_client())
            peer = TlsPeer(any_loop, theirs, context, server_side=True)
            await peer.handshake()
            await peer.send(b"one")
            transport, _ = await made
            await peer.send(b"two")
            await protocol.until(lambda p: p.received == b"onetwo")
            assert protocol.calls[0] == "connection_made"
            transport.abort()
            await protocol.lost

    run(any_loop, main())
    assert failures.contexts == []
