"""Address literals and the addresses of datagrams, against the socket module's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

import cxxloop

LOOP = cxxloop.Loop()
LOOP.set_exception_handler(lambda _, context: None)
_FAMILIES: list[int] = [socket.AF_UNSPEC, socket.AF_INET, socket.AF_INET6, socket.AF_UNIX]
_TYPES: list[int] = [
    0,
    socket.SOCK_STREAM,
    socket.SOCK_DGRAM,
    socket.SOCK_RAW,
    socket.SOCK_SEQPACKET,
]
_PROTOCOLS: list[int] = [0, socket.IPPROTO_TCP, socket.IPPROTO_UDP, socket.IPPROTO_ICMP, -1]
_FLAGS: list[int] = [
    0,
    socket.AI_PASSIVE,
    socket.AI_NUMERICHOST,
    socket.AI_NUMERICSERV,
    socket.AI_CANONNAME,
]


class _Protocol(asyncio.DatagramProtocol):
    error: Exception | None = None

    def error_received(self, exc: Exception) -> None:
        self.error = exc


def _endpoint(family: int, address: Any) -> tuple[Any, _Protocol, socket.socket]:
    """A transport and a plain socket, both bound so that nothing leaves the machine."""
    plain = socket.socket(family, socket.SOCK_DGRAM)
    plain.setblocking(False)
    plain.bind(address)
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.bind(address)
    transport, protocol = LOOP.run_until_complete(
        LOOP.create_datagram_endpoint(_Protocol, sock=sock)
    )
    assert isinstance(protocol, _Protocol)
    return transport, protocol, plain


ENDPOINTS: dict[int, tuple[Any, _Protocol, socket.socket]] = {}
ENDPOINTS[socket.AF_INET] = _endpoint(socket.AF_INET, ("127.0.0.1", 0))
ENDPOINTS[socket.AF_UNIX] = _endpoint(socket.AF_UNIX, "")
with contextlib.suppress(OSError):
    ENDPOINTS[socket.AF_INET6] = _endpoint(socket.AF_INET6, ("::1", 0))


def _is_numeric(host: Any) -> bool:
    """Whether nobody has to be asked for it."""
    try:
        return bool(socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST))
    except (OSError, ValueError, TypeError):
        return False


def _failure(exc: BaseException | None) -> tuple[type | None, int | None]:
    return (None if exc is None else type(exc)), getattr(exc, "errno", None)


def literal(host: Any, port: int, choice: bytes) -> None:
    family, kind, proto, flags = (
        table[number % len(table)]
        for table, number in zip((_FAMILIES, _TYPES, _PROTOCOLS, _FLAGS), choice, strict=True)
    )
    ours = LOOP._literal_address_info(host, port, family, kind, proto, flags)
    if ours is not None:
        theirs = socket.getaddrinfo(host, port, family, kind, proto, flags)
        assert ours == theirs, (host, port, family, kind, proto, flags, ours, theirs)
        assert repr(ours) == repr(theirs)


def datagram(family: int, address: Any) -> None:
    transport, protocol, plain = ENDPOINTS[family]
    protocol.error = None
    try:
        transport.sendto(b"x", address)
        ours = _failure(protocol.error)
    except Exception as exc:
        ours = _failure(exc)
    try:
        plain.sendto(b"x", address)
        theirs = _failure(None)
    except Exception as exc:
        theirs = _failure(exc)
    if transport.is_closing():  # A fatal error, which the socket module has raised as well.
        transport.abort()
        LOOP.run_until_complete(asyncio.sleep(0))
        plain.close()
        bound = "" if family == socket.AF_UNIX else ("127.0.0.1", 0)
        ENDPOINTS[family] = _endpoint(family, ("::1", 0) if family == socket.AF_INET6 else bound)
        assert theirs[0] is not None, (address, theirs)
    elif address:
        assert ours == theirs, (family, address, ours, theirs)


def one_input(data: bytes) -> None:
    if len(data) < 8:
        return
    choice, number, text = data[:4], int.from_bytes(data[4:7], "big", signed=True), data[8:]
    host = text.decode("utf-8", "surrogateescape") if data[7] & 1 else text.decode("latin-1")
    literal(host, number, choice)
    if data[7] & 2:
        address: Any = text if data[7] & 4 else host
        datagram(socket.AF_UNIX, address)
    elif _is_numeric(host):
        more = (choice[0] << 14, choice[1])[: choice[2] % 3]
        for family in ENDPOINTS.keys() - {socket.AF_UNIX}:
            datagram(family, (host, number, *more))
