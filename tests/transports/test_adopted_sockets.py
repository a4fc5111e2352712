"""Sockets that were made elsewhere and are given to a transport."""

from __future__ import annotations

import asyncio
import os
import socket

import pytest

import cxxloop
from tests.support.loops import run
from tests.support.protocols import Recorder

Loop = asyncio.AbstractEventLoop


def test_socket_that_was_passed_stays_usable_by_its_owner(any_loop: Loop) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            number = ours.fileno()
            transport, protocol = await any_loop.create_connection(
                lambda: Recorder(any_loop), sock=ours
            )
            assert ours.fileno() == number
            assert transport.get_extra_info("socket").fileno() == number
            assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            transport.close()
            await protocol.lost
            assert ours.fileno() == -1

    run(any_loop, main())


def test_socket_is_closed_once_when_the_connection_ends(any_loop: Loop) -> None:
    """uvloop#740"""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        number = ours.fileno()
        transport, protocol = await any_loop.create_connection(
            lambda: Recorder(any_loop), sock=ours
        )
        theirs.close()
        await protocol.lost
        reading, writing = os.pipe()  # Takes the numbers over.
        assert number in (reading, writing)
        transport.close()
        transport.abort()
        ours.close()
        del transport
        await asyncio.sleep(0)
        os.write(writing, b"x")
        assert os.read(reading, 1) == b"x"
        os.close(reading)
        os.close(writing)

    run(any_loop, main())


@pytest.mark.parametrize("adopted", [True, False])
def test_socket_closed_beside_its_transport_never_leads_to_another(
    loop: cxxloop.Loop, adopted: bool
) -> None:
    """uvloop#645: the number of a closed socket is the next one's, and so would be the bytes."""

    async def main() -> None:
        ours, theirs = socket.socketpair()
        transport, protocol = await loop.create_connection(lambda: Recorder(loop), sock=ours)
        (ours if adopted else transport.get_extra_info("socket")._sock).close()
        third, fourth = socket.socketpair()
        with theirs, third, fourth:
            transport.write(b"for theirs")
            assert theirs.recv(99) == b"for theirs"
            for other in (third, fourth):
                other.setblocking(False)
                with pytest.raises(BlockingIOError):
                    other.recv(1)
            theirs.send(b"for ours")
            await protocol.until(lambda p: p.received)
            assert protocol.received == b"for ours"
            transport.close()
            await protocol.lost
            assert ours.fileno() == -1

    run(loop, main())
