"""Connections that become encrypted on the way, also twice."""

from __future__ import annotations

import asyncio
import inspect
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Certificates
from tests.support.loops import Failures, run
from tests.support.protocols import Echo, Recorder
from tests.support.stream_pairs import close, connect, pair, start
from tests.support.tls_peers import TlsPeer, raw_peer

Loop = asyncio.AbstractEventLoop


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
@pytest.mark.parametrize("layers", [1, 2])
def test_both_streams_are_upgraded(
    any_loop: Loop, certificates: Certificates, tmp_path: Path, unix: bool, layers: int
) -> None:
    async def main() -> None:
        async with pair(str(tmp_path / "socket") if unix else None) as (client, server):
            for _ in range(layers):
                server_context, client_context = (
                    certificates.for_server(),
                    certificates.for_client(),
                )
                await asyncio.gather(
                    server.writer.start_tls(server_context),
                    client.writer.start_tls(client_context, server_hostname="localhost"),
                )
                for writer, context in (
                    (server.writer, server_context),
                    (client.writer, client_context),
                ):
                    assert writer.get_extra_info("sslcontext") is context
                    assert writer.get_extra_info("ssl_object").version() == "TLSv1.3"
                    assert writer.get_extra_info("cipher")[1] == "TLSv1.3"
                    assert writer.get_extra_info("socket").fileno() > 0
                data = bytes(range(256)) * 2000
                server.writer.write(data)
                client.writer.write(data)
                assert await client.reader.readexactly(len(data)) == data
                assert await server.reader.readexactly(len(data)) == data
            peer = client.writer.get_extra_info("peercert")
            assert peer["subjectAltName"][0] == ("DNS", "localhost")

    run(any_loop, main())


def test_header_and_client_hello_in_one_segment(any_loop: Loop, certificates: Certificates) -> None:
    """uvloop#707, cpython#142352"""

    async def main() -> None:
        done = any_loop.create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            assert (await reader.readline()).startswith(b"PROXY TCP4")
            await writer.start_tls(certificates.for_server())
            writer.write(await reader.readline())
            await writer.drain()
            done.set_result(None)
            await close_writer(writer)

        async def close_writer(writer: asyncio.StreamWriter) -> None:
            writer.close()
            await writer.wait_closed()

        server = await start(serve)
        sock = socket.create_connection(server.sockets[0].getsockname())
        sock.setblocking(False)
        peer = TlsPeer(any_loop, sock, certificates.for_client(), server_side=False)
        with pytest.raises(ssl.SSLWantReadError):
            peer.tls.do_handshake()
        sock.send(b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n" + peer.take())
        await peer.handshake()
        await peer.send(b"not a byte is lost\n")
        assert await peer.receive() == b"not a byte is lost\n"
        await done
        await any_loop.sock_sendall(sock, peer.close_notify())
        await peer.until_gone()
        sock.close()
        server.close()
        await server.wait_closed()

    moved = _moves_buffered_data()
    if not moved:
        pytest.skip("this asyncio loses what the reader has buffered")
    run(any_loop, main())


def _moves_buffered_data() -> bool:
    return "_stream_reader" in inspect.getsource(asyncio.BaseEventLoop.start_tls)


@pytest.mark.parametrize("wrong", [None, True, "context"])
def test_context_is_needed(any_loop: Loop, wrong: Any) -> None:
    async def main() -> None:
        async with raw_peer() as (ours, _):
            protocol = Recorder(any_loop)
            transport, _ = await any_loop.create_connection(lambda: protocol, sock=ours)
            with pytest.raises(TypeError) as info:
                await any_loop.start_tls(transport, protocol, wrong)
            assert str(info.value) == (
                f"sslcontext is expected to be an instance of ssl.SSLContext, got {wrong!r}"
            )
            transport.abort()
            await protocol.lost

    run(any_loop, main())


def test_transport_must_be_able_to(any_loop: Loop, certificates: Certificates) -> None:
    class Plain(asyncio.Transport):
        def __repr__(self) -> str:
            return "<Plain>"

    async def main() -> None:
        with pytest.raises(TypeError) as info:
            await any_loop.start_tls(Plain(), Recorder(any_loop), certificates.for_client())
        assert str(info.value) == "transport <Plain> is not supported by start_tls()"

    run(any_loop, main())


def test_failed_upgrade_closes_the_connection(any_loop: Loop, certificates: Certificates) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        async with raw_peer() as (ours, theirs):
            plain = Recorder(any_loop)
            transport, _ = await any_loop.create_connection(lambda: plain, sock=ours)
            context = certificates.for_client()
            upgrading = asyncio.ensure_future(
                any_loop.start_tls(transport, plain, context, server_hostname="elsewhere.example")
            )
            peer = TlsPeer(any_loop, theirs, certificates.for_server(), server_side=True)
            with pytest.raises((ssl.SSLError, EOFError)):
                await peer.handshake()
            with pytest.raises(ssl.SSLCertVerificationError):
                await upgrading
            assert transport.is_closing()
            await plain.lost
            assert plain.calls == ["connection_made", "connection_lost"]

    run(any_loop, main())
    assert failures.contexts == []


def test_upgraded_protocol_is_not_made_again(any_loop: Loop, certificates: Certificates) -> None:
    async def main() -> None:
        async with raw_peer() as (ours, theirs):
            protocol = Echo(any_loop)
            transport, _ = await any_loop.create_connection(lambda: protocol, sock=ours)
            peer = TlsPeer(any_loop, theirs, certificates.for_server(), server_side=True)
            upgrading = asyncio.ensure_future(
                any_loop.start_tls(
                    transport, protocol, certificates.for_client(), server_hostname="localhost"
                )
            )
            await peer.handshake()
            protocol.transport = await upgrading
            assert protocol.calls == ["connection_made"]
            await peer.send(b"hello")
            assert await peer.receive() == b"hello"
            protocol.transport.abort()
            assert await protocol.lost is None
            assert protocol.calls[-1] == "connection_lost"

    run(any_loop, main())


def test_tls_in_tls_ends_layer_by_layer(any_loop: Loop, certificates: Certificates) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.start_tls(certificates.for_server())
        writer.write(await reader.read())
        writer.close()

    async def main() -> None:
        server = await start(serve, ssl=certificates.for_server())
        context = certificates.for_client()
        stream = await connect(server, ssl=context, server_hostname="localhost")
        await stream.writer.start_tls(context, server_hostname="localhost")
        stream.writer.write(b"through two layers")
        await close(stream)
        server.close()

    run(any_loop, main())
