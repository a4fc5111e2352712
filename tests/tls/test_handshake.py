"""Handshakes: those that succeed, fail, never end, or are given up."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import Any

import pytest

from tests.support.certificates import Certificates
from tests.support.loops import Failures, run, run_once
from tests.support.protocols import Recorder, serving
from tests.support.tls_peers import TlsPeer, connect, raw_peer

Loop = asyncio.AbstractEventLoop


@pytest.mark.parametrize("name", ["wrong name", "unknown authority"])
def test_refused_certificate_is_one_exception(
    any_loop: Loop,
    certificates: Certificates,
    caplog: pytest.LogCaptureFixture,
    name: str,
) -> None:
    """uvloop#161, uvloop#199"""
    failures = Failures(any_loop)

    async def main() -> None:
        context = certificates.for_client()
        if name == "unknown authority":
            context = ssl.create_default_context()
        server = certificates.for_server(certificates.elsewhere)
        async with serving(lambda: Recorder(any_loop), ssl=server) as (_, address):
            with pytest.raises(ssl.SSLCertVerificationError) as info:
                await any_loop.create_connection(
                    lambda: Recorder(any_loop), *address, ssl=context, server_hostname="localhost"
                )
            assert isinstance(info.value.errno, int)
            expected = "localhost" if name == "wrong name" else "unable to get"
            assert expected in info.value.verify_message
            await asyncio.sleep(0)

    run(any_loop, main())
    assert failures.contexts == []
    assert caplog.records == []


@pytest.mark.parametrize("seconds", [0, -1, 0.0])
@pytest.mark.parametrize("name", ["ssl_handshake_timeout", "ssl_shutdown_timeout"])
def test_times_must_be_positive(
    any_loop: Loop, certificates: Certificates, seconds: float, name: str
) -> None:
    async def main() -> None:
        async with raw_peer() as (ours, _):
            options: Any = {name: seconds}
            with pytest.raises(ValueError) as info:
                await connect(
                    any_loop, Recorder(any_loop), ours, certificates.for_client(), **options
                )
            assert str(info.value) == f"{name} should be a positive number, got {seconds}"

    run(any_loop, main())


@pytest.mark.parametrize("seconds", [0.01, 1e-2])
def test_text_of_a_slow_handshake(
    any_loop: Loop, certificates: Certificates, server_side: bool, seconds: float
) -> None:
    async def main() -> None:
        context = certificates.for_server() if server_side else certificates.for_client()
        async with raw_peer() as (ours, theirs):
            with pytest.raises(ConnectionAbortedError) as info:
                await connect(
                    any_loop,
                    Recorder(any_loop),
                    ours,
                    context,
                    server_side=server_side,
                    ssl_handshake_timeout=seconds,
                )
            assert str(info.value) == (
                "SSL handshake is taking longer than 0.01 seconds: aborting the connection"
            )
            theirs.close()

    run(any_loop, main())


def test_peer_goes_during_the_handshake(any_loop: Loop, certificates: Certificates) -> None:
    """asyncio#472"""

    async def main() -> None:
        async with raw_peer() as (ours, theirs):
            made = connect(any_loop, Recorder(any_loop), ours, certificates.for_client())
            await any_loop.sock_recv(theirs, 4)
            theirs.close()
            with pytest.raises(ConnectionResetError):
                await made

    run(any_loop, main())


def test_close_during_the_handshake_is_clean(any_loop: Loop, certificates: Certificates) -> None:
    """asyncpg#309"""
    failures = Failures(any_loop)

    async def main() -> None:
        async with raw_peer() as (ours, theirs):
            plain, protocol = Recorder(any_loop), Recorder(any_loop)
            transport, _ = await any_loop.create_connection(lambda: plain, sock=ours)
            upgrading = asyncio.ensure_future(
                any_loop.start_tls(
                    transport, protocol, certificates.for_client(), server_hostname="localhost"
                )
            )
            await any_loop.sock_recv(theirs, 4)
            tls_protocol: Any = transport.get_protocol()
            tls_protocol._app_transport.close()
            await upgrading  # asyncio's result is None, ours the transport.
            assert transport.is_closing()
            assert await protocol.lost is None
            assert protocol.calls == ["connection_lost"]

    run(any_loop, main())
    assert failures.contexts == []


def test_cancelled_connection_leaves_nothing(any_loop: Loop, certificates: Certificates) -> None:
    """At whatever await it is; descriptors are looked after by a fixture."""
    failures = Failures(any_loop)

    async def attempt(turns: int) -> bool:
        accepted: list[Recorder] = []

        def accept() -> Recorder:
            accepted.append(Recorder(any_loop))
            return accepted[-1]

        async with serving(accept, ssl=certificates.for_server()) as (_, address):
            task = asyncio.ensure_future(
                asyncio.open_connection(
                    *address, ssl=certificates.for_client(), server_hostname="localhost"
                )
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            cancelled = task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                _, writer = await task
                writer.close()
                with contextlib.suppress(ConnectionError):
                    await writer.wait_closed()
            if others := asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait(others)
            for protocol in accepted:
                if protocol.made.done():
                    await protocol.lost
            return cancelled

    async def main() -> None:
        turns = 0
        while await attempt(turns):
            turns += 1
            assert turns < 10_000
        assert turns > 3

    run(any_loop, main())
    assert failures.contexts == []


def test_cancelled_upgrade_closes_the_connection(
    any_loop: Loop, certificates: Certificates
) -> None:
    async def attempt(turns: int) -> bool:
        async with raw_peer() as (ours, theirs):
            plain = Recorder(any_loop)
            transport, _ = await any_loop.create_connection(lambda: plain, sock=ours)
            peer = TlsPeer(any_loop, theirs, certificates.for_server(), server_side=True)
            shaking = asyncio.ensure_future(peer.handshake())
            task = asyncio.ensure_future(
                any_loop.start_tls(
                    transport,
                    Recorder(any_loop),
                    certificates.for_client(),
                    server_hostname="localhost",
                )
            )
            for _ in range(turns):
                await asyncio.sleep(0)
            cancelled = task.cancel()
            try:
                upgraded = await task
            except asyncio.CancelledError:
                assert transport.is_closing() or turns == 0
                transport.abort()
            else:
                assert upgraded is not None
                upgraded.abort()
            shaking.cancel()
            await asyncio.wait([shaking])
            if not shaking.cancelled():
                shaking.exception()
            return cancelled

    async def main() -> None:
        turns = 0
        while await attempt(turns):
            turns += 1
            assert turns < 1000
        assert turns > 2

    run(any_loop, main())


def test_failed_clients_do_not_disturb_others(any_loop: Loop, certificates: Certificates) -> None:
    failures = Failures(any_loop)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        writer.close()

    async def main() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=certificates.for_server())
        address = server.sockets[0].getsockname()
        bad = [socket.create_connection(address) for _ in range(6)]
        bad[0].close()
        bad[1].send(b"GET / HTTP/1.1\r\n\r\n")
        bad[2].send(b"\x16\x03\x01\x02\0\x01")
        bad[3].shutdown(socket.SHUT_WR)
        for _ in range(5):
            reader, writer = await asyncio.open_connection(
                *address, ssl=certificates.for_client(), server_hostname="localhost"
            )
            writer.write(b"fine\n")
            assert await reader.read() == b"fine\n"
            writer.close()
            await writer.wait_closed()
        for sock in bad:
            sock.close()
        server.close()

    run(any_loop, main())
    assert failures.contexts == []


@pytest.mark.parametrize("debug", [False, True])
def test_server_tells_of_failed_handshakes_in_debug_mode_only(
    any_loop: Loop, certificates: Certificates, debug: bool
) -> None:
    failures = Failures(any_loop)
    any_loop.set_debug(debug)

    async def main() -> None:
        context = certificates.for_server()
        protocol = Recorder(any_loop)
        async with serving(lambda: protocol, ssl=context) as (_, address):
            with socket.create_connection(address) as peer:
                peer.setblocking(False)
                await any_loop.sock_sendall(peer, b"hello, is this TLS?\r\n")
                with contextlib.suppress(ConnectionError):
                    while await any_loop.sock_recv(peer, 100):
                        pass
            for _ in range(5):
                await asyncio.sleep(0)
            assert protocol.calls == []

    run(any_loop, main())
    if debug:
        [context] = failures.contexts
        assert context["message"] == "Error on transport creation for incoming connection"
        assert isinstance(context["exception"], ssl.SSLError)
        assert {"protocol", "transport"} < context.keys()
    else:
        assert failures.contexts == []


def test_handshakes_that_are_not_done_end_with_the_loop(
    any_loop: Loop, certificates: Certificates
) -> None:
    server = any_loop.run_until_complete(
        any_loop.create_server(
            lambda: Recorder(any_loop), "127.0.0.1", 0, ssl=certificates.for_server()
        )
    )
    with socket.create_connection(server.sockets[0].getsockname()) as peer:
        while not asyncio.all_tasks(any_loop):
            run_once(any_loop)
        for _ in range(3):
            run_once(any_loop)
        for task in asyncio.all_tasks(any_loop):
            task.cancel()
        while asyncio.all_tasks(any_loop):
            run_once(any_loop)
        for _ in range(3):
            run_once(any_loop)
        peer.settimeout(5)
        with contextlib.suppress(ConnectionError):
            assert peer.recv(100) == b""
    server.close()
    run_once(any_loop)
