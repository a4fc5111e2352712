"""A peer that resets its connection, in every state of a transport."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable

import pytest

from tests.support.loops import Failures, run
from tests.support.protocols import Recorder, tcp_peer

Loop = asyncio.AbstractEventLoop
LARGE = bytes(8 << 20)


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


async def once_accepted(loop: Loop, protocol: Recorder, peer: socket.socket) -> None:
    reset(peer)


async def while_it_reads(loop: Loop, protocol: Recorder, peer: socket.socket) -> None:
    await loop.sock_sendall(peer, b"hello")
    await protocol.until(lambda recorder: recorder.received)
    reset(peer)


async def with_bytes_unread(loop: Loop, protocol: Recorder, peer: socket.socket) -> None:
    await loop.sock_sendall(peer, b"hello")
    reset(peer)


async def while_it_writes(loop: Loop, protocol: Recorder, peer: socket.socket) -> None:
    protocol.transport.write(LARGE)
    assert protocol.transport.get_write_buffer_size()
    await loop.sock_recv(peer, 1000)
    reset(peer)


async def while_it_pauses_and_writes(loop: Loop, protocol: Recorder, peer: socket.socket) -> None:
    protocol.transport.pause_reading()
    protocol.transport.write(LARGE)
    reset(peer)


async def after_the_end_of_its_stream(loop: Loop, protocol: Recorder, peer: socket.socket) -> None:
    protocol.keep_open_at_eof = True
    peer.shutdown(socket.SHUT_WR)
    await protocol.ended
    protocol.transport.write(LARGE)
    reset(peer)


async def after_our_end(loop: Loop, protocol: Recorder, peer: socket.socket) -> None:
    protocol.transport.write_eof()
    assert await loop.sock_recv(peer, 1) == b""
    reset(peer)


async def while_it_closes(loop: Loop, protocol: Recorder, peer: socket.socket) -> None:
    protocol.transport.write(LARGE)
    protocol.transport.close()
    reset(peer)


STATES: list[Callable[[Loop, Recorder, socket.socket], Awaitable[None]]] = [
    *(once_accepted, while_it_reads, with_bytes_unread, while_it_writes),
    *(while_it_pauses_and_writes, after_the_end_of_its_stream, after_our_end, while_it_closes),
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_reset_ends_the_connection_once(
    any_loop: Loop, state: Callable[[Loop, Recorder, socket.socket], Awaitable[None]]
) -> None:
    failures = Failures(any_loop)

    async def main() -> tuple[Recorder, Exception | None]:
        protocol = Recorder(any_loop)
        _, peer = await tcp_peer(any_loop, "127.0.0.1", protocol)
        await state(any_loop, protocol, peer)
        exc = await protocol.lost
        # Whatever the program does afterwards is harmless.
        for _ in range(10):
            if state is not after_our_end:
                protocol.transport.write(b"too late")
        protocol.transport.close()
        protocol.transport.abort()
        await asyncio.sleep(0)
        return protocol, exc

    protocol, exc = run(any_loop, main())
    assert isinstance(exc, ConnectionError)
    assert protocol.calls.count("connection_lost") == 1
    assert protocol.calls[-1] == "connection_lost"
    assert not failures.contexts


def test_reset_before_it_was_accepted_leaves_the_server_serving(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        made: list[Recorder] = []

        def factory() -> Recorder:
            made.append(Recorder(any_loop))
            return made[-1]

        server = await any_loop.create_server(factory, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        for _ in range(20):
            reset(socket.create_connection(address))
        with socket.create_connection(address):
            while len(made) < 21:
                await asyncio.sleep(0)
        for recorder in made:
            await recorder.lost
            assert recorder.calls.count("connection_made") == 1
        server.close()

    run(any_loop, main())
    assert not failures.contexts


@pytest.mark.parametrize("sent", [b"", b"\x16\x03\x01", b"no TLS at all"])
@pytest.mark.parametrize("resets", [False, True])
def test_peer_that_goes_during_the_handshake_of_tls_is_an_error(
    any_loop: Loop, sent: bytes, resets: bool
) -> None:
    context = ssl.create_default_context()

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            connecting = asyncio.ensure_future(
                any_loop.create_connection(
                    asyncio.Protocol, *listener.getsockname(), ssl=context, server_hostname="a"
                )
            )
            listener.setblocking(False)
            peer, _ = await any_loop.sock_accept(listener)
            await any_loop.sock_recv(peer, 1 << 16)
            with contextlib.suppress(ConnectionError):
                await any_loop.sock_sendall(peer, sent)
            if resets:
                reset(peer)
            peer.close()
            with pytest.raises(OSError):
                await connecting

    run(any_loop, main())
