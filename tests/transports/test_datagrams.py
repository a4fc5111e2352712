"""Datagram endpoints over IPv4 and IPv6: what is sent arrives, errors go to the protocol."""

from __future__ import annotations

import asyncio
import errno
import socket
import sys
from typing import Any

import pytest

from tests.support.datagrams import (
    ANY_PORT,
    DatagramEcho,
    DatagramRecorder,
    address_of,
    endpoint,
    everything_in,
    lacks_ipv6,
    nobody,
    plain_socket,
)
from tests.support.loops import Failures, run

Loop = asyncio.AbstractEventLoop
needs_ipv6 = pytest.mark.skipif(lacks_ipv6(), reason="no IPv6 loopback")
LARGEST = 65507  # Over IPv4.


def test_datagrams_keep_their_boundaries_and_order(any_loop: Loop) -> None:
    async def main() -> None:
        async with (
            endpoint(DatagramEcho) as (server, _),
            endpoint(remote_addr=address_of(server)) as (client, protocol),
        ):
            sent = [b"%d" % number * (number + 1) for number in range(100)]
            for data in sent:
                client.sendto(data)
            await protocol.until_received(100)
            assert protocol.received == [(data, address_of(server)) for data in sent]

    run(any_loop, main())


@needs_ipv6
def test_ipv6_addresses_have_four_parts_and_may_be_given_with_two(any_loop: Loop) -> None:
    """uvloop#108"""

    async def main() -> None:
        async with endpoint(DatagramEcho, local_addr=("::1", 0)) as (server, echo):
            port = address_of(server)[1]
            assert address_of(server) == ("::1", port, 0, 0)
            async with endpoint(local_addr=("::1", 0)) as (client, protocol):
                for address in [("::1", port), ("::1", port, 0), ("::1", port, 0, 0)]:
                    client.sendto(b"x", address)
                await protocol.until_received(3)
                assert protocol.received == [(b"x", ("::1", port, 0, 0))] * 3
                assert {addr for _, addr in echo.received} == {address_of(client)}

    run(any_loop, main())


@needs_ipv6
def test_remote_ipv6_address_needs_no_family(any_loop: Loop) -> None:
    """uvloop#108"""

    async def main() -> None:
        async with (
            endpoint(DatagramEcho, local_addr=("::1", 0)) as (server, _),
            endpoint(remote_addr=("::1", address_of(server)[1])) as (client, protocol),
        ):
            assert client.get_extra_info("peername") == address_of(server)
            client.sendto(b"hello")
            await protocol.until_received(1)

    run(any_loop, main())


def test_connected_endpoint_knows_both_addresses(any_loop: Loop) -> None:
    """uvloop#98, uvloop#85"""

    async def main() -> None:
        async with (
            endpoint() as (server, _),
            endpoint(remote_addr=address_of(server)) as (client, _),
        ):
            assert client.get_extra_info("peername") == address_of(server)
            host, port = address_of(client)
            assert host == "127.0.0.1"
            assert port != 0
            assert client.get_extra_info("socket").getsockname() == (host, port)
            assert server.get_extra_info("peername") is None
            assert server.get_extra_info("nothing", 5) == 5

    run(any_loop, main())


@pytest.mark.asyncio_since((3, 11, 7), "no is_reading() before")
def test_transport_is_of_asyncios_types(any_loop: Loop) -> None:
    async def main() -> None:
        async with endpoint() as (transport, protocol):
            if sys.version_info >= (3, 12):
                assert isinstance(transport, asyncio.DatagramTransport)
            assert isinstance(transport, asyncio.Transport)
            assert transport.get_protocol() is protocol
            assert not transport.is_closing()
            assert transport.is_reading()
            with pytest.raises(NotImplementedError):
                transport.write(b"x")

    run(any_loop, main())


def test_connected_endpoint_hears_that_nobody_listens(any_loop: Loop) -> None:
    """uvloop#109, uvloop#601"""

    async def main() -> None:
        address = nobody()
        async with endpoint(remote_addr=address) as (transport, protocol):
            transport.sendto(b"to nobody")
            await protocol.until(lambda self: self.errors)
            assert isinstance(protocol.errors[0], ConnectionRefusedError)
            assert not transport.is_closing()
            with plain_socket(address) as sock:
                transport.sendto(b"to somebody")
                assert await any_loop.sock_recv(sock, 100) == b"to somebody"

    run(any_loop, main())


def test_unconnected_endpoint_does_not_hear_that_nobody_listens(any_loop: Loop) -> None:
    async def main() -> None:
        async with endpoint(DatagramEcho) as (server, _), endpoint() as (client, protocol):
            client.sendto(b"lost", nobody())
            client.sendto(b"heard", address_of(server))
            await protocol.until_received(1)
            assert protocol.errors == []

    run(any_loop, main())


def test_unconnected_endpoint_without_an_address_is_closed(any_loop: Loop) -> None:
    """uvloop#338"""

    async def main() -> None:
        failures = Failures(any_loop)
        async with endpoint() as (transport, protocol):
            transport.sendto(b"x")
            assert transport.is_closing()
            assert isinstance(await protocol.lost, TypeError)
            assert failures.messages == ["Fatal write error on datagram transport"]
            assert failures.contexts[0]["transport"] is transport
            assert failures.contexts[0]["protocol"] is protocol
            assert protocol.errors == []

    run(any_loop, main())


def test_port_zero_is_an_error_of_the_network(any_loop: Loop) -> None:
    """uvloop#338"""

    async def main() -> None:
        async with endpoint() as (transport, protocol):
            transport.sendto(b"x", ("127.0.0.1", 0))
            assert [exc.errno for exc in protocol.errors] == [errno.EINVAL]
            assert not transport.is_closing()

    run(any_loop, main())


@pytest.mark.parametrize("port", [70000, -1, 2**31, 2**64])
def test_impossible_port_is_an_overflow_and_closes_the_endpoint(any_loop: Loop, port: int) -> None:
    """zuvloop#18"""

    async def main() -> None:
        failures = Failures(any_loop)
        with plain_socket(("127.0.0.1", 0)) as sock:
            async with endpoint() as (transport, protocol):
                transport.sendto(b"x", (sock.getsockname()[0], port))
                assert isinstance(await protocol.lost, OverflowError)
                assert failures.messages == ["Fatal write error on datagram transport"]
            assert everything_in(sock) == []

    run(any_loop, main())


def test_host_name_is_looked_up(any_loop: Loop) -> None:
    """uvloop#91: asyncio does so where it stands, and so does cxxloop."""

    async def main() -> None:
        with plain_socket() as sock:
            async with endpoint() as (transport, protocol):
                transport.sendto(b"x", ("localhost", sock.getsockname()[1]))
                assert await any_loop.sock_recv(sock, 10) == b"x"
                transport.sendto(b"x", ("name.invalid", 1))
                assert isinstance(protocol.errors[0], socket.gaierror)
                assert not transport.is_closing()

    run(any_loop, main())


def test_broadcast_is_allowed_when_asked_for(any_loop: Loop) -> None:
    """uvloop#592"""

    async def main() -> None:
        async with endpoint(local_addr=ANY_PORT, allow_broadcast=True) as (transport, protocol):
            sock = transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST)
            transport.sendto(b"x", ("<broadcast>", 9))
            transport.sendto(b"x", ("255.255.255.255", 9))
            assert not any(exc.errno == errno.EACCES for exc in protocol.errors)
        async with endpoint() as (transport, protocol):
            transport.sendto(b"x", ("<broadcast>", 9))
            assert [exc.errno for exc in protocol.errors] == [errno.EACCES]

    run(any_loop, main())


def test_broadcasting_endpoint_is_not_connected_but_has_one_target(any_loop: Loop) -> None:
    async def main() -> None:
        with plain_socket() as sock:
            address = sock.getsockname()
            async with endpoint(remote_addr=address, allow_broadcast=True) as (transport, _):
                assert transport.get_extra_info("peername") is None
                transport.sendto(b"1")
                transport.sendto(b"2", address)
                with pytest.raises(ValueError, match="^Invalid address: must be None or "):
                    transport.sendto(b"3", ("127.0.0.1", 1))
                assert await any_loop.sock_recv(sock, 10) == b"1"
                assert await any_loop.sock_recv(sock, 10) == b"2"

    run(any_loop, main())


@pytest.mark.parametrize("size", [1, 512, 1472, 9000, 65000, LARGEST])
def test_largest_datagrams_are_whole(any_loop: Loop, size: int) -> None:
    async def main() -> None:
        async with endpoint(DatagramEcho) as (server, _), endpoint() as (client, protocol):
            # Enough of them for bursts.
            for start in range(4):
                for number in range(5):
                    client.sendto(b"%d" % number * size, address_of(server))
                    await protocol.until_received(start * 5 + number + 1)
            assert {len(data) for data in protocol.data} == {size}

    run(any_loop, main())


def test_datagram_that_is_too_large_is_an_error_of_the_network(any_loop: Loop) -> None:
    async def main() -> None:
        with plain_socket() as sock:
            async with endpoint() as (transport, protocol):
                for size in (1, LARGEST + 1, 2):
                    transport.sendto(b"x" * size, sock.getsockname())
                assert [exc.errno for exc in protocol.errors] == [errno.EMSGSIZE]
                assert not transport.is_closing()
                assert everything_in(sock) == [b"x", b"xx"]

    run(any_loop, main())


@pytest.mark.parametrize("empty", [b"", bytearray(), memoryview(b"")])
def test_empty_datagrams_are_sent_since_python_313(any_loop: Loop, empty: Any) -> None:
    async def main() -> None:
        with plain_socket() as sock:
            async with endpoint() as (transport, _):
                transport.sendto(empty, sock.getsockname())
                transport.sendto(b"x", sock.getsockname())
                expected = [b"", b"x"] if sys.version_info >= (3, 13) else [b"x"]
                assert everything_in(sock) == expected

    run(any_loop, main())


def test_empty_datagrams_are_received(any_loop: Loop) -> None:
    async def main() -> None:
        async with endpoint() as (transport, protocol):
            with plain_socket(connect=address_of(transport)) as sock:
                for data in (b"", b"x", b"", b""):
                    sock.send(data)
                await protocol.until_received(4)
                assert protocol.data == [b"", b"x", b"", b""]

    run(any_loop, main())


@pytest.mark.parametrize("wrong", [None, 0, "text", [], object(), 1.5])
def test_only_bytes_like_data_can_be_sent(any_loop: Loop, wrong: Any) -> None:
    async def main() -> None:
        async with endpoint() as (transport, _):
            name = type(wrong).__name__
            with pytest.raises(TypeError) as caught:
                transport.sendto(wrong, ANY_PORT)
            expected = f"data argument must be a bytes-like object, not '{name}'"
            assert str(caught.value) == expected
            with pytest.raises(TypeError):
                transport.sendto()
            assert not transport.is_closing()

    run(any_loop, main())


def test_error_is_the_handled_exception_while_the_protocol_hears_of_it(any_loop: Loop) -> None:
    class Looker(DatagramRecorder):
        def error_received(self, exc: Exception) -> None:
            super().error_received(exc)
            assert sys.exc_info()[1] is exc
            raise LookupError("from error_received")

    async def main() -> None:
        async with endpoint(Looker) as (transport, protocol):
            with pytest.raises(LookupError) as caught:
                transport.sendto(b"x", ("127.0.0.1", 0))
            assert caught.value.__context__ is protocol.errors[0]
            assert sys.exc_info()[1] is None
            assert not transport.is_closing()

    run(any_loop, main())
