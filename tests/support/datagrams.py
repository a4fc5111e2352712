"""A protocol that records what a datagram transport does with it, and sockets to talk to it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

ANY_PORT = ("127.0.0.1", 0)


class DatagramRecorder(asyncio.DatagramProtocol):
    """Records each call; `lost` tells of the end, and until() of every change."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.received: list[tuple[bytes, Any]] = []
        self.errors: list[Exception] = []
        self.transport: Any = None
        self.lost: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()
        self._changed = asyncio.Event()
        self._awaited = 0

    @property
    def data(self) -> list[bytes]:
        return [data for data, _ in self.received]

    def note(self, call: str) -> None:
        self.calls.append(call)
        # To be woken by each datagram would part those that arrive together.
        if call != "datagram_received" or len(self.received) >= self._awaited:
            self._changed.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.note("connection_made")

    def datagram_received(self, data: bytes, addr: Any) -> None:
        assert type(data) is bytes
        self.received.append((data, addr))
        self.note("datagram_received")

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)
        self.note("error_received")

    def pause_writing(self) -> None:
        self.note("pause_writing")

    def resume_writing(self) -> None:
        self.note("resume_writing")

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set_result(exc)
        self.note("connection_lost")

    async def until(self, condition: Callable[[Any], Any]) -> None:
        """Waits until condition(self) holds; looks again after each call."""
        while not condition(self):
            self._changed.clear()
            await self._changed.wait()

    async def until_received(self, count: int) -> None:
        self._awaited = count
        await self.until(lambda self: len(self.received) >= count)
        self._awaited = 0


class DatagramEcho(DatagramRecorder):
    """Sends each datagram back to where it came from."""

    def datagram_received(self, data: bytes, addr: Any) -> None:
        super().datagram_received(data, addr)
        self.transport.sendto(data, addr)


@contextlib.asynccontextmanager
async def endpoint(
    factory: Callable[[], Any] = DatagramRecorder, **options: Any
) -> AsyncIterator[tuple[Any, Any]]:
    """(transport, protocol) of an endpoint, which is closed at the end."""
    if not options:
        options["local_addr"] = ANY_PORT
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(factory, **options)
    try:
        yield transport, protocol
    finally:
        if not transport.is_closing():
            transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)


@contextlib.contextmanager
def plain_socket(
    address: Any = ANY_PORT, family: int = socket.AF_INET, connect: Any = None
) -> Iterator[socket.socket]:
    """A non-blocking datagram socket, bound unless `address` is None."""
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        if address is not None:
            sock.bind(address)
        if connect is not None:
            sock.connect(connect)
        yield sock


def nobody() -> tuple[str, int]:
    """An address without a socket, and of a host that no other process uses meanwhile."""
    host = ipaddress.IPv4Address("127.128.0.0") + os.getpid()
    with plain_socket((str(host), 0)) as sock:
        address: tuple[str, int] = sock.getsockname()
        return address


def address_of(transport: Any) -> Any:
    return transport.get_extra_info("sockname")


def everything_in(sock: socket.socket) -> list[bytes]:
    """What waits in a socket by now."""
    received = []
    with contextlib.suppress(BlockingIOError):
        while True:
            received.append(sock.recv(1 << 18))
    return received


def lacks_ipv6() -> bool:
    """Whether this machine lacks an IPv6 loopback."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return True
    return False


class Actor(DatagramRecorder):
    """Does something when a certain datagram comes; what it sends is an echo."""

    def __init__(self, actions: dict[bytes, Callable[[Any], Any]]) -> None:
        super().__init__()
        self.actions = actions

    def datagram_received(self, data: bytes, addr: Any) -> None:
        super().datagram_received(data, addr)
        self.transport.sendto(data, addr)
        if data in self.actions:
            self.actions[data](self)


def numbers(count: int, start: int = 0) -> list[bytes]:
    return [b"%d" % number for number in range(start, start + count)]


async def bring_into_bursts(transport: Any, protocol: Any, sock: socket.socket) -> None:
    """Sends so many that whatever adapts itself to bursts has done so."""
    for _ in range(3):
        for _ in range(40):
            sock.send(b"warm-up")
        await protocol.until_received(40)
        protocol.received.clear()
    everything_in(sock)


@contextlib.asynccontextmanager
async def acting(
    actions: dict[bytes, Callable[[Any], Any]],
) -> AsyncIterator[tuple[Any, Any, socket.socket]]:
    """(transport, protocol, socket of a peer) of an endpoint that is used to bursts."""
    async with endpoint(lambda: Actor(actions)) as (transport, protocol):
        with plain_socket(connect=address_of(transport)) as sock:
            await bring_into_bursts(transport, protocol, sock)
            yield transport, protocol, sock
