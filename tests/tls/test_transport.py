"""The transport that a program gets: what it tells, and what it refuses."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
from typing import Any

import pytest

from tests.support.certificates import Certificates
from tests.support.loops import run
from tests.support.protocols import Recorder
from tests.support.tls_peers import TlsPeer, connect, raw_peer, tls_peer

Loop = asyncio.AbstractEventLoop


def test_extra_information_is_that_of_both_layers(
    any_loop: Loop, certificates: Certificates, server_side: bool
) -> None:
    """uvloop#55"""

    async def main() -> None:
        async with tls_peer(
            any_loop, Recorder(any_loop), certificates, server_side=server_side
        ) as (transport, peer):
            assert isinstance(transport.get_extra_info("sslcontext"), ssl.SSLContext)
            assert isinstance(transport.get_extra_info("ssl_object"), ssl.SSLObject)
            assert transport.get_extra_info("cipher") == peer.tls.cipher()
            assert transport.get_extra_info("compression", "default") is None
            certificate = transport.get_extra_info("peercert", "default")
            assert (certificate is None) == server_side
            sock = transport.get_extra_info("socket")
            assert isinstance(sock, asyncio.trsock.TransportSocket)
            assert sock.family == socket.AF_UNIX
            assert transport.get_extra_info("peername") == ""
            assert transport.get_extra_info("nothing") is None
            assert transport.get_extra_info("nothing", default=5) == 5

    run(any_loop, main())


def test_transport_is_a_transport(any_loop: Loop, certificates: Certificates) -> None:
    async def main() -> None:
        async with tls_peer(any_loop, Recorder(any_loop), certificates) as (transport, _):
            assert transport._start_tls_compatible
            assert isinstance(transport._ssl_protocol, asyncio.BufferedProtocol)
            assert isinstance(transport, asyncio.Transport)
            assert not isinstance(transport, asyncio.DatagramTransport)
            assert not transport.can_write_eof()
            with pytest.raises(NotImplementedError):
                transport.write_eof()
            assert transport.is_reading()
            assert not transport.is_closing()

    run(any_loop, main())


def test_protocol_can_be_replaced(any_loop: Loop, certificates: Certificates) -> None:
    async def main() -> None:
        first, second = Recorder(any_loop), Recorder(any_loop)
        async with tls_peer(any_loop, first, certificates) as (transport, peer):
            assert transport.get_protocol() is first
            await peer.send(b"one")
            await first.until(lambda p: p.received == b"one")
            transport.set_protocol(second)
            assert transport.get_protocol() is second
            await peer.send(b"two")
            await second.until(lambda p: p.received == b"two")
            transport.abort()
            await second.lost
            assert first.calls == ["connection_made", "data_received"]
            assert second.calls == ["data_received", "connection_lost"]

    run(any_loop, main())


@pytest.mark.asyncio_since((3, 11, 7), "abort() failed before")
def test_close_and_abort_may_be_repeated(any_loop: Loop, certificates: Certificates) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        async with tls_peer(any_loop, protocol, certificates) as (transport, peer):
            for method in (transport.close, transport.close, transport.abort, transport.abort):
                method()
                assert transport.is_closing()
            peer.sock.close()
            await protocol.lost
            transport.close()
            transport.abort()

    run(any_loop, main())


@pytest.mark.parametrize(
    "call",
    [
        lambda transport: transport.write(b"x"),
        lambda transport: transport.writelines([b"x"]),
        lambda transport: transport.is_reading(),
        lambda transport: transport.pause_reading(),
        lambda transport: transport.resume_reading(),
        lambda transport: transport.get_write_buffer_size(),
        lambda transport: transport.get_extra_info("peername", "default"),
        lambda transport: transport.get_protocol(),
    ],
)
def test_methods_work_after_a_second_close(
    loop: Loop, certificates: Certificates, call: Any
) -> None:
    """asyncio answers with an AttributeError"""

    async def main() -> None:
        protocol = Recorder(loop)
        async with tls_peer(loop, protocol, certificates) as (transport, peer):
            transport.close()
            transport.close()
            call(transport)
            peer.sock.close()
            await protocol.lost
            call(transport)

    run(loop, main())


def test_forgotten_transport_is_warned_about(any_loop: Loop, certificates: Certificates) -> None:
    async def main() -> None:
        async with raw_peer() as (ours, theirs):
            protocol = Recorder(any_loop)
            made = connect(any_loop, protocol, ours, certificates.for_client())
            peer = TlsPeer(any_loop, theirs, certificates.for_server(), server_side=True)
            await peer.handshake()
            transport, _ = await made
            lower = transport._ssl_protocol._transport
            lower.set_protocol(asyncio.Protocol())
            del transport, made
            with pytest.warns(ResourceWarning, match="unclosed transport <asyncio._SSLProtocol"):
                del protocol.transport
                del protocol
                gc.collect()
            lower.abort()
            await asyncio.sleep(0)

    run(any_loop, main())


def test_shutdown_of_the_socket_ends_the_connection(
    any_loop: Loop, certificates: Certificates
) -> None:
    """niquests#166"""

    async def main() -> None:
        protocol = Recorder(any_loop)
        async with tls_peer(any_loop, protocol, certificates) as (transport, peer):
            transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
            await peer.until_gone()
            assert not isinstance(await protocol.lost, ssl.SSLError)

    run(any_loop, main())
