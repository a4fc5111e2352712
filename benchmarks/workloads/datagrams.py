"""Servers of datagrams: echo over UDP."""

from __future__ import annotations

import asyncio
import socket
from typing import cast

from harness.rows import Load, network

POSITION = 65


class Echo(asyncio.DatagramProtocol):
    """Sends back what comes."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answers with the same bytes."""
        self.transport.sendto(data, addr)


@network("udp_echo_512_1", "UDP echo, 512 B, one at a time", Load(1, 512, 512, "datagrams", "udp"))
@network("udp_echo_512_64", "UDP echo, 512 B, 64 in flight", Load(64, 512, 512, "datagrams", "udp"))
async def echo(bound: socket.socket) -> object:
    """An endpoint at the address of the socket, as programs make it."""
    address = bound.getsockname()
    bound.close()
    loop = asyncio.get_running_loop()
    return await loop.create_datagram_endpoint(Echo, local_addr=address)
