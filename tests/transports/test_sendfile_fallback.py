"""Files that the system can't send are read and written in blocks, if that is allowed."""

from __future__ import annotations

import asyncio
import io
import os
import threading
from asyncio import constants
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.support.files import ALWAYS_SEEKS, KEEPS_VIEWS, LARGE, SMALL, file_with
from tests.support.loops import Failures, run
from tests.support.protocols import Recorder, drain_peer, plain_peer, read_exactly

Loop = asyncio.AbstractEventLoop


def only_if_blocks_are_copied(loop: Loop) -> None:
    if KEEPS_VIEWS and not type(loop).__module__.startswith("cxxloop"):
        pytest.skip("asyncio keeps views of the block that it reads into again")


@pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=len)
def test_file_in_memory_arrives_in_order(any_loop: Loop, content: bytes) -> None:
    only_if_blocks_are_copied(any_loop)

    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            draining = any_loop.create_task(drain_peer(any_loop, peer))
            transport.write(b"<")
            assert await any_loop.sendfile(transport, io.BytesIO(content)) == len(content)
            transport.write(b">")
            transport.close()
            assert await draining == b"<" + content + b">"

    run(any_loop, main())


def test_file_in_memory_waits_for_a_slow_reader(any_loop: Loop) -> None:
    only_if_blocks_are_copied(any_loop)

    async def main() -> None:
        protocol = Recorder(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, peer):
            file = io.BytesIO(LARGE)
            sending = any_loop.create_task(any_loop.sendfile(transport, file))
            received = await read_exactly(any_loop, peer, 100_000)
            assert not sending.done()
            assert transport.get_write_buffer_size() < 100_000
            received += await read_exactly(any_loop, peer, len(LARGE) - 100_000)
            assert received == LARGE
            assert await sending == len(LARGE)
            assert transport.get_protocol() is protocol
            assert protocol.calls == ["connection_made"]

    run(any_loop, main())


@pytest.mark.parametrize(("offset", "count"), [(0, None), (10, 20), (1000, 5000), (5, 1019)])
def test_offset_and_count_choose_a_part(any_loop: Loop, offset: int, count: int | None) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            end = len(SMALL) if count is None else min(offset + count, len(SMALL))
            file = io.BytesIO(SMALL)
            assert await any_loop.sendfile(transport, file, offset, count) == end - offset
            assert file.tell() == end
            transport.close()
            assert await drain_peer(any_loop, peer) == SMALL[offset:end]

    run(any_loop, main())


def test_offset_zero_follows_this_version(any_loop: Loop) -> None:
    """python/cpython#150107"""

    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            file = io.BytesIO(SMALL)
            file.seek(1000)
            expected = SMALL if ALWAYS_SEEKS else SMALL[1000:]
            assert await any_loop.sendfile(transport, file) == len(expected)
            transport.close()
            assert await drain_peer(any_loop, peer) == expected

    run(any_loop, main())


def test_file_in_memory_is_refused_without_fallback(any_loop: Loop) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            file = io.BytesIO(SMALL)
            with pytest.raises(asyncio.SendfileNotAvailableError, match="^not a regular file$"):
                await any_loop.sendfile(transport, file, fallback=False)
            transport.write(b"usable")
            assert await read_exactly(any_loop, peer, 6) == b"usable"

    run(any_loop, main())


def test_file_that_the_system_refuses_is_read(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            with file_with(SMALL, tmp_path) as file, mock.patch("os.sendfile", side_effect=OSError):
                with pytest.raises(asyncio.SendfileNotAvailableError, match="call failed$"):
                    await any_loop.sendfile(transport, file, fallback=False)
                assert await any_loop.sendfile(transport, file) == len(SMALL)
                assert file.tell() == len(SMALL)
            transport.close()
            assert await drain_peer(any_loop, peer) == SMALL

    run(any_loop, main())


def test_other_exceptions_of_the_system_call_are_passed_on(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, _):
            with file_with(SMALL, tmp_path) as file:
                with mock.patch("os.sendfile", side_effect=ZeroDivisionError):
                    with pytest.raises(ZeroDivisionError):
                        await any_loop.sendfile(transport, file)

    run(any_loop, main())


def test_transport_that_only_takes_blocks_needs_the_fallback(any_loop: Loop) -> None:
    modes: Any = constants._SendfileMode
    transport = mock.Mock(_sendfile_compatible=modes.FALLBACK)
    transport.is_closing.return_value = False
    with pytest.raises(RuntimeError) as raised:
        run(any_loop, any_loop.sendfile(transport, io.BytesIO(), fallback=False))
    assert str(raised.value) == (
        f"fallback is disabled and native sendfile is not supported for transport {transport!r}"
    )


def test_connection_that_ends_fails_who_waits(any_loop: Loop) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, peer):
            sending = any_loop.create_task(any_loop.sendfile(transport, io.BytesIO(LARGE)))
            await read_exactly(any_loop, peer, 100_000)
            peer.close()
            with pytest.raises(ConnectionError):
                await sending
            assert isinstance(await protocol.lost, (BrokenPipeError, ConnectionResetError))
            assert protocol.calls == ["connection_made", "connection_lost"]

    run(any_loop, main())


def test_connection_that_is_aborted_fails_who_waits(any_loop: Loop) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, peer):
            transport.set_write_buffer_limits(high=0)
            transport.write(LARGE)
            sending = any_loop.create_task(any_loop.sendfile(transport, io.BytesIO(LARGE)))
            await read_exactly(any_loop, peer, len(LARGE) + 10)
            transport.abort()
            with pytest.raises(ConnectionError, match="^Connection (is )?closed by peer$"):
                await sending
            assert await protocol.lost is None

    run(any_loop, main())


def test_connection_that_closes_between_blocks_fails(any_loop: Loop) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, _):
            wait, read = threading.Event(), threading.Event()

            class Slow(io.BytesIO):
                def readinto(self, buffer: Any) -> int:
                    read.set()
                    wait.wait()
                    return super().readinto(buffer)

            sending = any_loop.create_task(any_loop.sendfile(transport, Slow(SMALL)))
            await asyncio.to_thread(read.wait)
            transport.close()
            wait.set()
            with pytest.raises(ConnectionError, match="^Connection closed by peer$"):
                await sending

    run(any_loop, main())


def test_cancelled_in_the_middle_leaves_the_transport_usable(any_loop: Loop) -> None:
    only_if_blocks_are_copied(any_loop)

    async def main() -> None:
        protocol = Recorder(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, peer):
            sending = any_loop.create_task(any_loop.sendfile(transport, io.BytesIO(LARGE)))
            await read_exactly(any_loop, peer, 10)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert transport.get_protocol() is protocol
            assert transport.is_reading()
            transport.write(b"behind")
            transport.close()
            received = await drain_peer(any_loop, peer)
            assert LARGE[10:].startswith(received.removesuffix(b"behind"))
            assert received.endswith(b"behind")

    run(any_loop, main())


def test_protocol_that_was_paused_is_told_to_resume(any_loop: Loop) -> None:
    only_if_blocks_are_copied(any_loop)

    async def main() -> None:
        protocol = Recorder(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, peer):
            draining = any_loop.create_task(drain_peer(any_loop, peer))
            with mock.patch.object(any_loop, "_sendfile_native") as native:
                native.side_effect = asyncio.SendfileNotAvailableError
                transport.write(b"x" * 3_000_000)
                assert protocol.calls == ["connection_made", "pause_writing"]
                await any_loop.sendfile(transport, io.BytesIO(SMALL))
            assert protocol.calls == ["connection_made", "pause_writing", "resume_writing"]
            transport.close()
            assert await draining == b"x" * 3_000_000 + SMALL

    run(any_loop, main())


def test_reader_of_a_pipe_is_sent_what_is_there(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, _):
            read_end, write_end = os.pipe()
            os.write(write_end, b"12345")
            os.close(write_end)
            with open(read_end, "rb") as pipe:
                # Its size is zero, so nothing is to be sent.
                assert await any_loop.sendfile(transport, pipe) == 0

    run(any_loop, main())
    assert failures.contexts == []
