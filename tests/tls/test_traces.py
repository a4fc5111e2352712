"""The same scenario on both loops: the same calls, exceptions, reports and log lines."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.support.certificates import Certificates
from tests.support.tls_peers import TlsPeer, connect, raw_peer, tls_peer
from tests.tls.traces import Trace, Traced, run_traced

CALLS = ("connection_made", "data_received", "eof_received", "connection_lost")

Ending = Callable[[TlsPeer], Awaitable[None]]


async def _say_end(peer: TlsPeer) -> None:
    await peer.loop.sock_sendall(peer.sock, peer.close_notify())
    await peer.until_gone()


async def _data_then_end(peer: TlsPeer) -> None:
    await peer.loop.sock_sendall(peer.sock, peer.encrypt(b"last words") + peer.close_notify())
    await peer.until_gone()


async def _more_after_end(peer: TlsPeer) -> None:
    """uvloop#385"""
    record = peer.encrypt(b"before")
    await peer.loop.sock_sendall(
        peer.sock, record + peer.close_notify() + b"\x17\x03\x03\0\x05abcde"
    )
    await peer.until_gone()


async def _close_without_notice(peer: TlsPeer) -> None:
    peer.sock.close()


async def _half_close(peer: TlsPeer) -> None:
    await peer.send(b"half")
    peer.sock.shutdown(socket.SHUT_WR)
    await peer.until_gone()


async def _end_within_a_record(peer: TlsPeer) -> None:
    await peer.loop.sock_sendall(peer.sock, peer.encrypt(b"cut short")[:-3])
    peer.sock.shutdown(socket.SHUT_WR)
    await peer.until_gone()


async def _send_garbage(peer: TlsPeer) -> None:
    await peer.loop.sock_sendall(peer.sock, b"this is no record of TLS at all")
    await peer.until_gone()


async def _send_a_forged_record(peer: TlsPeer) -> None:
    record = bytearray(peer.encrypt(b"to be forged"))
    record[-1] ^= 1
    await peer.loop.sock_sendall(peer.sock, bytes(record))
    await peer.until_gone()


async def _send_data_then_a_forged_record(peer: TlsPeer) -> None:
    good, bad = peer.encrypt(b"good"), bytearray(peer.encrypt(b"bad"))
    bad[-1] ^= 1
    await peer.loop.sock_sendall(peer.sock, good + bad)
    await peer.until_gone()


ENDINGS: dict[str, Ending] = {
    "says the end": _say_end,
    "sends data and the end": _data_then_end,
    "sends more after the end": _more_after_end,
    "closes without notice": _close_without_notice,
    "half-closes": _half_close,
    "ends within a record": _end_within_a_record,
    "sends garbage": _send_garbage,
    "forges a record": _send_a_forged_record,
    "sends data, forges a record": _send_data_then_a_forged_record,
}


def _fail(_: Any) -> None:
    raise ZeroDivisionError("of the protocol")


def _cancel(_: Any) -> None:
    raise asyncio.CancelledError


def _exit(_: Any) -> None:
    raise SystemExit(7)


def _interrupt(_: Any) -> None:
    raise KeyboardInterrupt


def _write_and_close(transport: Any) -> None:
    transport.write(b"farewell")
    transport.close()


def _pause_and_close(transport: Any) -> None:
    transport.pause_reading()
    transport.close()


def _write_often(transport: Any) -> None:
    for _ in range(8):
        transport.write(b"x")


ACTIONS: dict[str, Callable[[Any], Any]] = {
    "closes": lambda transport: transport.close(),
    "writes, closes": _write_and_close,
    "aborts": lambda transport: transport.abort(),
    "closes, aborts": lambda transport: (transport.close(), transport.abort()),
    "pauses, closes": _pause_and_close,
    "pauses": lambda transport: transport.pause_reading(),
    "writes often": _write_often,
    "fails": _fail,
    "is cancelled": _cancel,
    "exits": _exit,
    "is interrupted": _interrupt,
}


def same_on_both(scenario: Callable[[Trace], Awaitable[None]], *, debug: bool = False) -> None:
    on_asyncio = run_traced(scenario, "asyncio", debug=debug)
    assert run_traced(scenario, "cxxloop", debug=debug) == on_asyncio
    assert on_asyncio
    lost = sum(line == "connection_lost" for line in on_asyncio)
    assert lost <= 1


async def _end(protocol: Traced) -> None:
    """Until the connection is lost, or surely never will be."""
    for _ in range(200):
        if protocol.lost.done():
            break
        await asyncio.sleep(0)


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize("ending", ENDINGS)
def test_peer_ends_the_connection(
    certificates: Certificates, server_side: bool, ending: str, debug: bool
) -> None:
    async def scenario(trace: Trace) -> None:
        protocol = Traced(trace)
        options: Any = {"server_side": server_side, "ssl_shutdown_timeout": 1}
        async with tls_peer(trace.loop, protocol, certificates, **options) as (_, peer):
            await ENDINGS[ending](peer)
            await protocol.lost

    same_on_both(scenario, debug=debug)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("ending", ["says the end", "sends data and the end", "half-closes"])
def test_protocol_acts_in_a_callback(
    certificates: Certificates, call: str, action: str, ending: str
) -> None:
    if (call, action) == ("connection_made", "pauses"):
        pytest.skip("asyncio doesn't send the end of a client's handshake then")
    if call == "connection_lost" and "closes" in action and sys.version_info < (3, 11, 7):
        pytest.skip("asyncio's abort() of a closed transport fails")

    async def scenario(trace: Trace) -> None:
        protocol = Traced(trace, **{call: ACTIONS[action]})
        async with tls_peer(trace.loop, protocol, certificates, ssl_shutdown_timeout=0.05) as (
            transport,
            peer,
        ):
            with contextlib.suppress(OSError):
                await peer.send(b"hello")
            if action != "pauses":
                with contextlib.suppress(OSError):
                    await ENDINGS[ending](peer)
            else:
                transport.abort()
            await _end(protocol)

    same_on_both(scenario)


FIRST_BYTES = {
    "plain text": b"HTTP/1.0 400 Bad Request\r\n\r\n",
    "four bytes": b"abcd",
    "an alert": b"\x15\x03\x01\0\x02\x02\x28",
    "nothing": b"",
}


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize("data", FIRST_BYTES.values(), ids=FIRST_BYTES)
def test_peer_does_not_speak_tls(
    certificates: Certificates, server_side: bool, data: bytes, debug: bool
) -> None:
    """asyncio#472"""

    async def scenario(trace: Trace) -> None:
        context = certificates.for_server() if server_side else certificates.for_client()
        async with raw_peer() as (ours, theirs):
            protocol = Traced(trace)
            made = connect(trace.loop, protocol, ours, context, server_side=server_side)
            if not server_side:
                await trace.loop.sock_recv(theirs, 5)
            theirs.send(data)
            theirs.shutdown(socket.SHUT_WR)
            await trace.outcome("connecting", made)

    same_on_both(scenario, debug=debug)


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
def test_handshake_takes_too_long(
    certificates: Certificates, server_side: bool, debug: bool
) -> None:
    """uvloop#161"""

    async def scenario(trace: Trace) -> None:
        context = certificates.for_server() if server_side else certificates.for_client()
        async with raw_peer() as (ours, theirs):
            protocol = Traced(trace)
            options: Any = {"server_side": server_side, "ssl_handshake_timeout": 0.02}
            made = connect(trace.loop, protocol, ours, context, **options)
            await trace.outcome("connecting", made)
            await trace.loop.sock_recv(theirs, 5)

    same_on_both(scenario, debug=debug)


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize("unsent", [0, 8 << 20])
def test_peer_never_answers_the_shutdown(
    certificates: Certificates, server_side: bool, debug: bool, unsent: int
) -> None:
    """uvloop#471"""

    async def scenario(trace: Trace) -> None:
        protocol = Traced(trace)
        options: Any = {"server_side": server_side, "ssl_shutdown_timeout": 0.02}
        async with tls_peer(trace.loop, protocol, certificates, **options) as (transport, _):
            if unsent:
                transport.write(bytes(unsent))
            transport.close()
            await protocol.lost

    same_on_both(scenario, debug=debug)


@pytest.mark.parametrize("data", [b"", b"unread"])
def test_close_meets_data_on_its_way(certificates: Certificates, data: bytes) -> None:
    """uvloop#68"""

    async def scenario(trace: Trace) -> None:
        protocol = Traced(trace)
        async with tls_peer(trace.loop, protocol, certificates, ssl_shutdown_timeout=0.05) as (
            transport,
            peer,
        ):
            transport.close()
            await trace.loop.sock_sendall(peer.sock, peer.encrypt(b"crossing") if data else b"")
            with contextlib.suppress(OSError):
                await _say_end(peer)
            await protocol.lost

    same_on_both(scenario)


@pytest.mark.parametrize("paused", [False, True])
def test_writes_after_the_end_are_counted(certificates: Certificates, paused: bool) -> None:
    async def scenario(trace: Trace) -> None:
        protocol = Traced(trace)
        async with tls_peer(trace.loop, protocol, certificates) as (transport, peer):
            transport.abort()
            _write_often(transport)
            await protocol.lost
            transport.writelines([b"x"] * 3)
            peer.sock.close()

    same_on_both(scenario)


def test_true_from_eof_received_is_a_mistake(certificates: Certificates) -> None:
    async def scenario(trace: Trace) -> None:
        protocol = Traced(trace)
        protocol.keep_open_at_eof = True
        async with tls_peer(trace.loop, protocol, certificates) as (_, peer):
            await _say_end(peer)
            await protocol.lost

    same_on_both(scenario)
