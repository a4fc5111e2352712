"""Files that are sent to readers that stall, vanish, or are given up."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from pathlib import Path
from typing import Any

import pytest

import cxxloop
from tests.support.certificates import Certificates
from tests.support.files import LARGE, SMALL, file_with
from tests.support.loops import Failures, run
from tests.support.protocols import Recorder, drain_peer, plain_peer, read_exactly, tcp_peer
from tests.support.tls_peers import tls_peer

Loop = asyncio.AbstractEventLoop
MIB = 1 << 20


async def stalled(any_loop: Loop, transport: Any, peer: socket.socket, file: Any) -> Any:
    """A task that sends a file to a peer which has taken no more than the first bytes."""
    sending = any_loop.create_task(any_loop.sendfile(transport, file))
    await read_exactly(any_loop, peer, 10)
    return sending


def test_stalled_reader_costs_nothing_and_gets_everything_in_order(
    any_loop: Loop, tmp_path: Path
) -> None:
    """uvloop#228, aio-libs/aiohttp#1412, zuvloop#53"""

    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            before = b"before! " * (4 * MIB)
            with file_with(LARGE, tmp_path) as file:
                transport.write(before)
                sending = any_loop.create_task(any_loop.sendfile(transport, file))
                await read_exactly(any_loop, peer, 8)
                await cheap(any_loop)
                assert await read_exactly(any_loop, peer, len(before) - 8) == before[8:]
                await read_exactly(any_loop, peer, 1)
                await cheap(any_loop)
                assert await read_exactly(any_loop, peer, len(LARGE) - 1) == LARGE[1:]
                assert await sending == len(LARGE)

    async def cheap(any_loop: Loop) -> None:
        # Half of the time is ten times what a waiting loop takes on any machine.
        wall, cpu = time.monotonic(), time.process_time()
        await asyncio.sleep(0.05)
        assert time.process_time() - cpu < 0.5 * (time.monotonic() - wall)

    run(any_loop, main())


def test_reset_by_the_peer_ends_it_with_an_error(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        transport, peer = await tcp_peer(any_loop, "127.0.0.1", protocol)
        with file_with(LARGE, tmp_path) as file:
            sending = await stalled(any_loop, transport, peer, file)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            peer.close()
            with pytest.raises(ConnectionError):
                await sending
            assert 10 <= file.tell() < len(LARGE)
        await protocol.lost

    run(any_loop, main())


def test_peer_that_closes_ends_it_with_an_error(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, peer):
            with file_with(LARGE, tmp_path) as file:
                sending = await stalled(any_loop, transport, peer, file)
                peer.close()
                with pytest.raises(BrokenPipeError):
                    await sending
                assert 10 <= file.tell() < len(LARGE)
            await protocol.lost

    run(any_loop, main())


def test_peer_that_vanishes_before_its_turn_ends_it_with_an_error(
    any_loop: Loop, tmp_path: Path
) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            with file_with(SMALL, tmp_path) as file:
                transport.write(b"x" * 4_000_000)
                sending = any_loop.create_task(any_loop.sendfile(transport, file))
                await asyncio.sleep(0)
                peer.close()
                with pytest.raises(ConnectionError):
                    await sending
                assert file.tell() == 0

    run(any_loop, main())


@pytest.mark.parametrize("method", ["close", "abort"])
def test_transport_that_is_closed_meanwhile_ends_it_with_an_error(
    loop: cxxloop.Loop, tmp_path: Path, method: str
) -> None:
    """asyncio's sendfile() never ends."""
    failures = Failures(loop)

    async def main() -> None:
        protocol = Recorder(loop)
        async with plain_peer(loop, protocol) as (transport, peer):
            with file_with(LARGE, tmp_path) as file:
                sending = await stalled(loop, transport, peer, file)
                getattr(transport, method)()
                with pytest.raises(ConnectionError, match="^Connection is closed by peer$"):
                    await sending
            assert await protocol.lost is None

    run(loop, main())
    assert failures.contexts == []


def test_transport_that_is_closed_before_its_turn_ends_it_with_an_error(
    loop: cxxloop.Loop, tmp_path: Path
) -> None:
    """asyncio fails with an AttributeError."""

    async def main() -> None:
        async with plain_peer(loop, Recorder(loop)) as (transport, peer):
            draining = loop.create_task(drain_peer(loop, peer))
            with file_with(SMALL, tmp_path) as file:
                transport.write(b"x" * 4_000_000)
                sending = loop.create_task(loop.sendfile(transport, file))
                await asyncio.sleep(0)
                transport.close()
                with pytest.raises(ConnectionError, match="^Connection is closed by peer$"):
                    await sending
            assert await draining == b"x" * 4_000_000

    run(loop, main())


def test_cancelled_in_the_middle_leaves_the_transport_usable(
    any_loop: Loop, tmp_path: Path
) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            with file_with(LARGE, tmp_path) as file:
                sending = await stalled(any_loop, transport, peer, file)
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending
                assert transport.is_reading()
                transport.write(b"behind")
                transport.close()
                received = await drain_peer(any_loop, peer)
                part = received.removesuffix(b"behind")
                assert len(part) == len(received) - 6
                assert LARGE[10:].startswith(part)

    run(any_loop, main())


def test_cancelled_before_its_turn_leaves_the_transport_usable(
    loop: cxxloop.Loop, tmp_path: Path
) -> None:
    """asyncio's transport stays paused and refuses to write."""

    async def main() -> None:
        async with plain_peer(loop, Recorder(loop)) as (transport, peer):
            with file_with(LARGE, tmp_path) as file:
                transport.write(b"x" * 4_000_000)
                sending = loop.create_task(loop.sendfile(transport, file))
                await asyncio.sleep(0)
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending
            assert transport.is_reading()
            transport.write(b"behind")
            transport.close()
            assert await drain_peer(loop, peer) == b"x" * 4_000_000 + b"behind"

    run(loop, main())


def test_half_closed_peer_gets_the_whole_file(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        protocol.keep_open_at_eof = True
        async with plain_peer(any_loop, protocol) as (transport, peer):
            with file_with(LARGE, tmp_path) as file:
                sending = await stalled(any_loop, transport, peer, file)
                peer.shutdown(socket.SHUT_WR)
                assert await read_exactly(any_loop, peer, len(LARGE) - 10) == LARGE[10:]
                assert await sending == len(LARGE)
            await protocol.ended
            transport.write(b"behind")
            assert await read_exactly(any_loop, peer, 6) == b"behind"

    run(any_loop, main())


def test_descriptor_stays_refused_to_watchers(loop: cxxloop.Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with plain_peer(loop, Recorder(loop)) as (transport, peer):
            with file_with(LARGE, tmp_path) as file:
                sending = await stalled(loop, transport, peer, file)
                fd = transport.get_extra_info("socket").fileno()
                with pytest.raises(RuntimeError, match="is used by transport"):
                    loop.add_writer(fd, print)
                with pytest.raises(RuntimeError, match="is used by transport"):
                    loop.remove_writer(fd)
                sending.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await sending

    run(loop, main())


def test_connection_that_is_aborted_and_cancelled_at_once_is_lost(
    loop: cxxloop.Loop, certificates: Certificates, tmp_path: Path
) -> None:
    """asyncio sets the result of what was cancelled, and the protocol is told nothing."""

    async def main() -> None:
        protocol = Recorder(loop)
        async with tls_peer(loop, protocol, certificates) as (transport, _):
            with file_with(LARGE, tmp_path) as file:
                sending = loop.create_task(loop.sendfile(transport, file))
                while not transport.get_write_buffer_size():
                    await asyncio.sleep(0.001)
                transport.abort()
                sending.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await sending
                await protocol.lost

    run(loop, main())
