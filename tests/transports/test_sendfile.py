"""loop.sendfile(): what arrives, in which order, and what is refused."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.support.files import LARGE, SMALL, file_with
from tests.support.loops import run
from tests.support.protocols import Recorder, drain_peer, plain_peer, read_exactly, tcp_peer

Loop = asyncio.AbstractEventLoop


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_file_arrives_over_tcp(any_loop: Loop, tmp_path: Path, host: str) -> None:
    async def main() -> None:
        transport, peer = await tcp_peer(any_loop, host, Recorder(any_loop))
        with file_with(LARGE, tmp_path) as file, peer:
            sending = any_loop.create_task(any_loop.sendfile(transport, file))
            assert await read_exactly(any_loop, peer, len(LARGE)) == LARGE
            assert await sending == len(LARGE)
            assert file.tell() == len(LARGE)
            transport.close()
            assert await drain_peer(any_loop, peer) == b""
        await asyncio.sleep(0)

    run(any_loop, main())


def test_file_arrives_between_what_is_written_before_and_after(
    any_loop: Loop, tmp_path: Path
) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            draining = any_loop.create_task(drain_peer(any_loop, peer))
            with file_with(LARGE, tmp_path) as file:
                transport.write(b"<" * 3_000_000)
                assert await any_loop.sendfile(transport, file) == len(LARGE)
            transport.write(b">" * 3_000_000)
            transport.close()
            assert await draining == b"<" * 3_000_000 + LARGE + b">" * 3_000_000

    run(any_loop, main())


def test_gathered_writes_go_out_before_the_file(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            draining = any_loop.create_task(drain_peer(any_loop, peer))
            expected = b""
            with file_with(SMALL, tmp_path) as file:
                for number in range(20):
                    transport.write(b"head %d " % number)
                    transport.write(b"end ")
                    await any_loop.sendfile(transport, file)
                    expected += b"head %d end " % number + SMALL
            transport.close()
            assert await draining == expected

    run(any_loop, main())


def test_several_files_in_a_row_arrive_in_order(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            draining = any_loop.create_task(drain_peer(any_loop, peer))
            with file_with(LARGE, tmp_path) as file:
                for start in range(5):
                    assert await any_loop.sendfile(transport, file, start, 500_000) == 500_000
                    assert file.tell() == start + 500_000
            transport.close()
            assert await draining == b"".join(LARGE[n : n + 500_000] for n in range(5))

    run(any_loop, main())


@pytest.mark.parametrize(
    ("offset", "count"),
    [(0, None), (0, 1), (10, None), (10, 20), (1000, 24), (1000, 5000), (0, 1024), (1023, None)],
)
def test_offset_and_count_choose_a_part(
    any_loop: Loop, tmp_path: Path, offset: int, count: int | None
) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            end = len(SMALL) if count is None else min(offset + count, len(SMALL))
            with file_with(SMALL, tmp_path) as file:
                file.seek(7)  # Plays no part.
                assert await any_loop.sendfile(transport, file, offset, count) == end - offset
                assert file.tell() == end
            transport.close()
            assert await drain_peer(any_loop, peer) == SMALL[offset:end]

    run(any_loop, main())


@pytest.mark.parametrize(("content", "offset"), [(b"", 0), (SMALL, 1024), (SMALL, 5000)])
def test_nothing_to_send_is_no_error(
    any_loop: Loop, tmp_path: Path, content: bytes, offset: int
) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            with file_with(content, tmp_path) as file:
                assert await any_loop.sendfile(transport, file, offset) == 0
            transport.write(b"usable")
            transport.close()
            assert await drain_peer(any_loop, peer) == b"usable"

    run(any_loop, main())


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((-1,), ValueError, "offset must be a non-negative integer (got -1)"),
        ((1.5,), TypeError, "offset must be a non-negative integer (got 1.5)"),
        ((None,), TypeError, "offset must be a non-negative integer (got None)"),
        ((0, 0), ValueError, "count must be a positive integer (got 0)"),
        ((0, -3), ValueError, "count must be a positive integer (got -3)"),
        ((0, "9"), TypeError, "count must be a positive integer (got '9')"),
    ],
)
def test_wrong_arguments_are_refused(
    any_loop: Loop, tmp_path: Path, arguments: Any, error: type[Exception], text: str
) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            with file_with(SMALL, tmp_path) as file, pytest.raises(error) as raised:
                await any_loop.sendfile(transport, file, *arguments)
            assert str(raised.value) == text
            transport.write(b"usable")
            assert await any_loop.sock_recv(peer, 10) == b"usable"
            assert transport.is_reading()

    run(any_loop, main())


def test_text_files_are_refused(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, _):
            with file_with(SMALL, tmp_path), (tmp_path / "content").open() as text:
                with pytest.raises(ValueError, match="^file should be opened in binary mode$"):
                    await any_loop.sendfile(transport, text)  # type: ignore[arg-type]

    run(any_loop, main())


def test_transports_that_can_not_send_files_are_refused(any_loop: Loop) -> None:
    transport = mock.Mock(spec=["is_closing"])
    transport.is_closing.return_value = False
    with pytest.raises(RuntimeError) as raised:
        run(any_loop, any_loop.sendfile(transport, io.BytesIO(b"x")))
    assert str(raised.value) == f"sendfile is not supported for transport {transport!r}"


def test_closing_transport_is_refused(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, _):
            transport.close()
            with file_with(SMALL, tmp_path) as file:
                with pytest.raises(RuntimeError, match="^Transport is closing$"):
                    await any_loop.sendfile(transport, file)

    run(any_loop, main())


def test_nothing_can_be_written_while_a_file_is_sent(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            with file_with(LARGE, tmp_path) as file:
                sending = any_loop.create_task(any_loop.sendfile(transport, file))
                await read_exactly(any_loop, peer, 10)
                with pytest.raises(RuntimeError, match="^unable to write; sendfile is in progress"):
                    transport.write(b"between")
                with pytest.raises(RuntimeError, match="sendfile is in progress"):
                    transport.writelines([b"between"])
                assert await read_exactly(any_loop, peer, len(LARGE) - 10) == LARGE[10:]
                await sending
            transport.write(b"behind")
            assert await read_exactly(any_loop, peer, 6) == b"behind"

    run(any_loop, main())


def test_a_second_file_at_the_same_time_is_refused(loop: Loop, tmp_path: Path) -> None:
    """asyncio raises KeyError here."""

    async def main() -> None:
        async with plain_peer(loop, Recorder(loop)) as (transport, peer):
            with file_with(LARGE, tmp_path) as file:
                sending = loop.create_task(loop.sendfile(transport, file))
                await read_exactly(loop, peer, 10)
                with pytest.raises(RuntimeError, match="^Empty waiter is already set$"):
                    await loop.sendfile(transport, file)
                assert await read_exactly(loop, peer, len(LARGE) - 10) == LARGE[10:]
                assert await sending == len(LARGE)

    run(loop, main())


def test_nothing_is_received_while_a_file_is_sent(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        protocol = Recorder(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, peer):
            with file_with(LARGE, tmp_path) as file:
                sending = any_loop.create_task(any_loop.sendfile(transport, file))
                await read_exactly(any_loop, peer, 10)
                peer.send(b"question")
                assert not transport.is_reading()
                await read_exactly(any_loop, peer, len(LARGE) - 10)
                await sending
                assert transport.is_reading()
                assert protocol.received == b""
            await protocol.until(lambda p: p.received == b"question")

    run(any_loop, main())


def test_paused_transport_stays_paused(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, _):
            transport.pause_reading()
            with file_with(SMALL, tmp_path) as file:
                await any_loop.sendfile(transport, file)
            assert not transport.is_reading()

    run(any_loop, main())


def test_file_that_grows_is_sent_to_its_end(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            with file_with(LARGE, tmp_path) as file:
                sending = any_loop.create_task(any_loop.sendfile(transport, file))
                await read_exactly(any_loop, peer, 10)
                with (tmp_path / "content").open("ab") as end:
                    end.write(b"more")
                expected = LARGE[10:] + b"more"
                assert await read_exactly(any_loop, peer, len(expected)) == expected
                assert await sending == len(LARGE) + 4

    run(any_loop, main())


def test_file_that_shrinks_ends_early(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, peer):
            with file_with(LARGE, tmp_path) as file:
                draining = any_loop.create_task(drain_peer(any_loop, peer))
                transport.write(b"x" * 3_000_000)
                sending = any_loop.create_task(any_loop.sendfile(transport, file, 0, len(LARGE)))
                await asyncio.sleep(0)
                os.truncate(tmp_path / "content", 1000)
                assert await sending == 1000
                assert file.tell() == 1000
            transport.close()
            assert await draining == b"x" * 3_000_000 + LARGE[:1000]

    run(any_loop, main())
