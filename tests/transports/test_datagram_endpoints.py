"""create_datagram_endpoint(): its arguments, sockets of the program, Unix sockets."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.datagrams import (
    ANY_PORT,
    DatagramEcho,
    address_of,
    endpoint,
    plain_socket,
)
from tests.support.loops import Failures, run

Loop = asyncio.AbstractEventLoop
STREAM_SOCKET = "^A (UDP S|datagram s)ocket was expected, got "
MODIFIERS = "socket modifier keyword arguments can not be used when sock is specified."


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({}, ValueError, "unexpected address family"),
        ({"local_addr": "localhost"}, TypeError, "2-tuple is expected"),
        ({"local_addr": ("localhost", 1, 2, 3)}, TypeError, "2-tuple is expected"),
        ({"remote_addr": ["localhost", 1]}, TypeError, "2-tuple is expected"),
        ({"local_addr": b"/x", "family": socket.AF_UNIX}, TypeError, "string is expected"),
        (
            {"local_addr": ("127.0.0.1", 0), "remote_addr": ("::1", 1)},
            ValueError,
            "can not get address information",
        ),
    ],
)
def test_arguments_that_do_not_fit_together_are_rejected(
    any_loop: Loop, options: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error) as caught:
        run(any_loop, any_loop.create_datagram_endpoint(asyncio.DatagramProtocol, **options))
    assert str(caught.value) == text


@pytest.mark.parametrize(
    "modifier",
    [
        {"local_addr": ("127.0.0.1", 1)},
        {"remote_addr": ("127.0.0.1", 1)},
        {"family": 1, "proto": 1},
        {"flags": 1},
        {"reuse_port": True},
        {"allow_broadcast": True},
    ],
)
def test_given_socket_goes_with_nothing_else(any_loop: Loop, modifier: dict[str, Any]) -> None:
    listed = ", ".join(f"{name}={value}" for name, value in modifier.items())
    with plain_socket() as sock:
        with pytest.raises(ValueError, match="socket modifier") as caught:
            run(
                any_loop,
                any_loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=sock, **modifier),
            )
        assert str(caught.value) == f"{MODIFIERS} ({listed})"
        assert sock.fileno() >= 0


def test_stream_socket_is_rejected(any_loop: Loop) -> None:
    with socket.socket() as sock, pytest.raises(ValueError, match=STREAM_SOCKET):
        run(any_loop, any_loop.create_datagram_endpoint(asyncio.DatagramProtocol, sock=sock))


def test_error_of_the_first_address_is_raised(any_loop: Loop) -> None:
    with plain_socket() as sock, pytest.raises(OSError, match="Address already in use"):
        run(
            any_loop,
            any_loop.create_datagram_endpoint(
                asyncio.DatagramProtocol, local_addr=sock.getsockname()
            ),
        )


def test_failing_factory_leaves_no_socket(loop: Loop) -> None:
    def factory() -> asyncio.DatagramProtocol:
        raise LookupError("no protocol")

    with pytest.raises(LookupError):
        run(loop, loop.create_datagram_endpoint(factory, local_addr=ANY_PORT))


def test_family_alone_makes_an_unbound_endpoint(any_loop: Loop) -> None:
    async def main() -> None:
        async with (
            endpoint(DatagramEcho) as (server, _),
            endpoint(family=socket.AF_INET) as (client, protocol),
        ):
            assert address_of(client) == ("0.0.0.0", 0)
            client.sendto(b"x", address_of(server))
            await protocol.until_received(1)
            assert address_of(client) == ("0.0.0.0", 0)  # What it was in the beginning.
            assert client.get_extra_info("socket").getsockname()[1] != 0

    run(any_loop, main())


def test_several_endpoints_can_share_a_port(any_loop: Loop) -> None:
    async def main() -> None:
        async with endpoint(local_addr=ANY_PORT, reuse_port=True) as (first, _):
            address = address_of(first)
            async with endpoint(local_addr=address, reuse_port=True) as (second, _):
                sock = second.get_extra_info("socket")
                assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT)
                assert address_of(second) == address

    run(any_loop, main())


def test_connected_socket_of_the_program_sends_with_and_without_address(any_loop: Loop) -> None:
    """uvloop#319, zuvloop#19"""

    async def main() -> None:
        with plain_socket() as peer:
            peer_address = peer.getsockname()
            with plain_socket(connect=peer_address) as ours:
                async with endpoint(sock=ours) as (transport, protocol):
                    transport.sendto(b"1")
                    transport.sendto(b"2", peer_address)
                    transport.sendto(b"3", ("127.0.0.1", 1))  # asyncio doesn't look at it.
                    received = [await any_loop.sock_recv(peer, 10) for _ in range(3)]
                    assert received == [b"1", b"2", b"3"]
                    peer.sendto(b"4", address_of(transport))
                    await protocol.until_received(1)
                    assert protocol.received == [(b"4", peer_address)]
                assert ours.fileno() == -1

    run(any_loop, main())


def test_other_address_than_the_remote_one_is_a_value_error(any_loop: Loop) -> None:
    async def main() -> None:
        with plain_socket() as peer:
            address = peer.getsockname()
            async with endpoint(remote_addr=address) as (transport, _):
                with pytest.raises(ValueError, match="Invalid address") as caught:
                    transport.sendto(b"x", ("127.0.0.1", 1))
                assert str(caught.value) == f"Invalid address: must be None or {address}"
                transport.sendto(b"1", address)
                transport.sendto(b"2", (address[0], address[1]))
                transport.sendto(addr=None, data=b"3")
                assert [await any_loop.sock_recv(peer, 10) for _ in range(3)] == [b"1", b"2", b"3"]

    run(any_loop, main())


# Unix sockets


def test_named_unix_endpoints_talk_and_know_each_other(any_loop: Loop, tmp_path: Path) -> None:
    """uvloop#304, uvloop#196"""
    server_path, client_path = str(tmp_path / "server"), str(tmp_path / "client")

    async def main() -> None:
        options: dict[str, Any] = {"family": socket.AF_UNIX}
        async with (
            endpoint(DatagramEcho, local_addr=server_path, **options) as (server, echo),
            endpoint(local_addr=client_path, remote_addr=server_path, **options) as (client, mine),
        ):
            assert address_of(server) == server_path
            assert client.get_extra_info("peername") == server_path
            client.sendto(b"hello")
            await mine.until_received(1)
            assert mine.received == [(b"hello", server_path)]
            assert echo.received == [(b"hello", client_path)]
            server.sendto(b"again", client_path)
            await mine.until_received(2)

    run(any_loop, main())


@pytest.mark.skipif(sys.platform != "linux", reason="abstract names are Linux's")
def test_abstract_unix_names_are_bytes(any_loop: Loop) -> None:
    """uvloop#403, zuvloop#86"""
    name = f"\x00cxxloop-{os.getpid()}"

    async def main() -> None:
        options: dict[str, Any] = {"family": socket.AF_UNIX}
        async with (
            endpoint(DatagramEcho, local_addr=name, **options) as (server, _),
            endpoint(local_addr=f"{name}-2", **options) as (client, protocol),
        ):
            assert address_of(server) == name.encode()
            for address in (name, name.encode()):
                client.sendto(b"x", address)
            await protocol.until_received(2)
            assert protocol.received == [(b"x", name.encode())] * 2

    run(any_loop, main())


def test_unnamed_unix_sender_has_no_address(any_loop: Loop, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")

    async def main() -> None:
        async with endpoint(local_addr=path, family=socket.AF_UNIX) as (_, protocol):
            with plain_socket(None, socket.AF_UNIX) as sock:
                sock.sendto(b"x", path)
                await protocol.until_received(1)
                assert protocol.received == [(b"x", None)]

    run(any_loop, main())


def test_unix_socket_pair_can_receive_but_not_send(any_loop: Loop) -> None:
    """As with asyncio, which takes the peer's empty name for no peer."""

    async def main() -> None:
        failures = Failures(any_loop)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with theirs:
            async with endpoint(sock=ours) as (transport, protocol):
                assert transport.get_extra_info("peername") == ""
                theirs.send(b"x" * 100_000)  # More than any UDP datagram.
                await protocol.until_received(1)
                assert [len(data) for data in protocol.data] == [100_000]
                transport.sendto(b"x")
                assert isinstance(await protocol.lost, TypeError)
                assert failures.messages == ["Fatal write error on datagram transport"]

    run(any_loop, main())


def test_stale_unix_socket_is_replaced_and_other_files_are_not(
    any_loop: Loop, tmp_path: Path
) -> None:
    path = tmp_path / "socket"

    async def main() -> None:
        with plain_socket(str(path), socket.AF_UNIX):
            pass
        async with endpoint(local_addr=str(path), family=socket.AF_UNIX):
            pass
        path.unlink()
        path.write_text("mine")
        with pytest.raises(OSError, match="in use"):
            async with endpoint(local_addr=str(path), family=socket.AF_UNIX):
                pass
        assert path.read_text() == "mine"

    run(any_loop, main())


def test_unix_path_that_is_too_long_is_an_error_of_the_network(
    any_loop: Loop, tmp_path: Path
) -> None:
    async def main() -> None:
        options: dict[str, Any] = {"family": socket.AF_UNIX}
        async with endpoint(local_addr=str(tmp_path / "s"), **options) as (transport, protocol):
            transport.sendto(b"x", "/" + "x" * 200)
            transport.sendto(b"x", str(tmp_path / "nobody"))
            transport.sendto(b"x", "/tmp/\udce9\u00e9" + str(tmp_path))
            assert str(protocol.errors[0]) == "AF_UNIX path too long"
            assert isinstance(protocol.errors[1], FileNotFoundError)
            assert isinstance(protocol.errors[2], FileNotFoundError)
            assert not transport.is_closing()

    run(any_loop, main())


def test_debug_mode_logs_new_endpoints(any_loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    any_loop.set_debug(True)

    async def main() -> None:
        with caplog.at_level(logging.DEBUG, "asyncio"):
            async with (
                endpoint() as (server, first),
                endpoint(remote_addr=address_of(server)) as (client, second),
            ):
                lines = [line for line in caplog.messages if line.startswith("Datagram endpoint")]
                remote = address_of(server)
                assert lines == [
                    f"Datagram endpoint local_addr={ANY_PORT} remote_addr=None created: "
                    f"({lines[0].split('created: (')[1].split('>>, ')[0]}>>, {first!r})",
                    f"Datagram endpoint remote_addr={remote} created: "
                    f"({lines[1].split('created: (')[1].split('>>, ')[0]}>>, {second!r})",
                ]
                assert f"fd={client.get_extra_info('socket').fileno()}" in lines[1]

    run(any_loop, main())


def test_endpoint_of_another_family_is_served(any_loop: Loop) -> None:
    """Only the socket module knows the addresses of netlink."""
    if not hasattr(socket, "AF_NETLINK"):
        pytest.skip("netlink is Linux's")
    get_links = struct.pack("=LHHLLB3x", 20, 18, 0x301, 1, 0, 0)

    async def main() -> None:
        sock = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 0)
        sock.bind((0, 0))
        async with endpoint(sock=sock) as (transport, protocol):
            assert transport.get_extra_info("peername") == (0, 0)
            transport.sendto(get_links)
            await protocol.until_received(1)
            assert protocol.received[0][1] == (0, 0)

    run(any_loop, main())
