"""Replies to datagrams that arrived together: their order, their errors, the socket's options."""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from typing import Any

import pytest

from tests.support.datagrams import (
    DatagramRecorder,
    acting,
    address_of,
    bring_into_bursts,
    endpoint,
    everything_in,
    numbers,
    plain_socket,
)
from tests.support.loops import run

Loop = asyncio.AbstractEventLoop


def udp_packet(source_port: int, target: tuple[str, int], data: bytes) -> bytes:
    return struct.pack("!HHHH", source_port, target[1], 8 + len(data), 0) + data


def test_error_in_the_middle_of_replies_is_that_of_its_datagram(any_loop: Loop) -> None:
    """Nothing can be sent to port 0, but it can have sent."""

    async def main() -> None:
        async with acting({}) as (transport, protocol, sock):
            try:
                raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
            except PermissionError:
                pytest.skip("needs the right to use raw sockets")
            with raw:
                for data in numbers(10):
                    if int(data) in {0, 4, 5, 9}:
                        packet = udp_packet(0, address_of(transport), data)
                        raw.sendto(packet, ("127.0.0.1", 0))
                    else:
                        sock.send(data)
                await protocol.until_received(10)
                assert protocol.data == numbers(10)
                assert [exc.errno for exc in protocol.errors] == [errno.EINVAL] * 4
                assert everything_in(sock) == [b"1", b"2", b"3", b"6", b"7", b"8"]
                assert not transport.is_closing()

    run(any_loop, main())


def test_replies_and_other_datagrams_keep_their_order(any_loop: Loop) -> None:
    """Replies may wait for one another, but not longer than for the next other thing."""

    class Mixed(DatagramRecorder):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            self.transport.sendto(data, addr)
            if data.endswith(b"3"):
                self.transport.sendto(bytearray(b"copy of ") + data, addr)
            if data.endswith(b"4"):
                self.transport.sendto(b"own address of " + data, (addr[0], addr[1]))
            if data.endswith(b"5"):
                self.transport.sendto(b"large" * 1000, addr)
            if data.endswith(b"6"):
                assert self.transport.get_write_buffer_size() == 0
                self.sent_so_far = everything_in(self.peer)

    async def main() -> None:
        async with endpoint(Mixed) as (transport, protocol):
            with plain_socket(connect=address_of(transport)) as sock:
                protocol.peer = sock
                await bring_into_bursts(transport, protocol, sock)
                for data in numbers(10):
                    sock.send(data)
                await protocol.until_received(10)
                expected = numbers(7)
                expected[4:4] = [b"copy of 3"]
                expected[6:6] = [b"own address of 4"]
                expected[8:8] = [b"large" * 1000]
                assert protocol.sent_so_far == expected
                assert everything_in(sock) == numbers(3, 7)

    run(any_loop, main())


def test_socket_options_hold_for_what_is_sent_after_them(any_loop: Loop) -> None:
    """Who has the socket may set an option between two datagrams."""
    if not hasattr(socket, "IP_RECVTOS"):
        pytest.skip("needs IP_RECVTOS")

    class Marker(DatagramRecorder):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            sock = self.transport.get_extra_info("socket")
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, int(data) * 4)
            self.transport.sendto(data, addr)

    async def main() -> None:
        async with endpoint(Marker) as (transport, protocol):
            with plain_socket(connect=address_of(transport)) as sock:
                sock.setsockopt(socket.IPPROTO_IP, socket.IP_RECVTOS, 1)
                for start in (0, 20):
                    for data in numbers(20, start):
                        sock.send(data)
                    await protocol.until_received(start + 20)
                for number in range(40):
                    data, ancillary, _, _ = sock.recvmsg(10, 100)
                    assert data == b"%d" % number
                    assert ancillary[0][2][0] == number * 4

    run(any_loop, main())
