"""loop.sock_sendfile()."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import io
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from tests.support.files import ALWAYS_SEEKS, LARGE, SMALL, file_with
from tests.support.loops import run
from tests.support.protocols import Recorder, drain_peer, plain_peer, read_exactly

Loop = asyncio.AbstractEventLoop


@contextlib.contextmanager
def socket_pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.setblocking(False)
        yield ours, theirs


async def stalled(loop: Loop, sock: socket.socket, peer: socket.socket, file: Any) -> Any:
    """A task that sends a file to a peer which has taken no more than the first bytes."""
    sending = loop.create_task(loop.sock_sendfile(sock, file))
    await read_exactly(loop, peer, 10)
    return sending


@pytest.mark.parametrize("content", [b"", SMALL, LARGE], ids=len)
@pytest.mark.parametrize("in_memory", [False, True])
def test_whole_file_arrives(
    any_loop: Loop, tmp_path: Path, content: bytes, in_memory: bool
) -> None:
    async def main() -> None:
        with socket_pair() as (ours, theirs), file_with(content, tmp_path) as on_disk:
            file = io.BytesIO(content) if in_memory else on_disk
            sending = any_loop.create_task(any_loop.sock_sendfile(ours, file))
            assert await read_exactly(any_loop, theirs, len(content)) == content
            assert await sending == len(content)
            assert file.tell() == len(content)

    run(any_loop, main())


@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize(
    ("offset", "count"),
    [(0, 1), (10, None), (10, 20), (1000, 24), (1000, 5000), (1024, 5), (5000, None)],
)
def test_offset_and_count_choose_a_part(
    any_loop: Loop, tmp_path: Path, offset: int, count: int | None, in_memory: bool
) -> None:
    async def main() -> None:
        with socket_pair() as (ours, theirs), file_with(SMALL, tmp_path) as on_disk:
            file = io.BytesIO(SMALL) if in_memory else on_disk
            expected = SMALL[offset : None if count is None else offset + count]
            sent = await any_loop.sock_sendfile(ours, file, offset, count)
            assert sent == len(expected)
            ours.close()
            assert await drain_peer(any_loop, theirs) == expected
            if sent or ALWAYS_SEEKS:
                assert file.tell() == offset + sent

    run(any_loop, main())


def test_only_file_objects_with_a_descriptor_go_without_fallback(any_loop: Loop) -> None:
    async def main() -> None:
        with socket_pair() as (ours, _):
            for file in (io.BytesIO(SMALL), mock.Mock(spec=[])):
                with pytest.raises(asyncio.SendfileNotAvailableError, match="^not a regular file$"):
                    await any_loop.sock_sendfile(ours, file, fallback=False)
            no_file = mock.Mock(spec=["fileno"])
            no_file.fileno.return_value = -1
            with pytest.raises(asyncio.SendfileNotAvailableError, match="^not a regular file$"):
                await any_loop.sock_sendfile(ours, no_file, fallback=False)

    run(any_loop, main())


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ((-1,), ValueError, "offset must be a non-negative integer (got -1)"),
        ((1.5,), TypeError, "offset must be a non-negative integer (got 1.5)"),
        ((0, 0), ValueError, "count must be a positive integer (got 0)"),
        ((0, 2.5), TypeError, "count must be a positive integer (got 2.5)"),
    ],
)
def test_wrong_numbers_are_refused(
    any_loop: Loop, arguments: Any, error: type[Exception], text: str
) -> None:
    with socket_pair() as (ours, _), pytest.raises(error) as raised:
        run(any_loop, any_loop.sock_sendfile(ours, io.BytesIO(), *arguments))
    assert str(raised.value) == text


def test_datagram_sockets_are_refused(any_loop: Loop) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        with pytest.raises(ValueError, match="^only SOCK_STREAM type sockets are supported$"):
            run(any_loop, any_loop.sock_sendfile(sock, io.BytesIO()))


def test_tls_sockets_are_refused(any_loop: Loop) -> None:
    with socket_pair() as (ours, _):
        wrapped = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).wrap_socket(
            ours, server_side=True, do_handshake_on_connect=False
        )
        with wrapped, pytest.raises(TypeError, match="^Socket cannot be of type SSLSocket$"):
            run(any_loop, any_loop.sock_sendfile(wrapped, io.BytesIO()))


def test_blocking_sockets_are_refused_in_debug_mode(any_loop: Loop) -> None:
    any_loop.set_debug(True)
    with socket_pair() as (ours, _):
        ours.setblocking(True)
        with pytest.raises(ValueError, match="^the socket must be non-blocking$"):
            run(any_loop, any_loop.sock_sendfile(ours, io.BytesIO()))


def test_socket_of_a_transport_is_refused(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, _):
            sock = transport.get_extra_info("socket")
            with file_with(SMALL, tmp_path) as file:
                with pytest.raises(RuntimeError, match=r"^File descriptor \d+ is used by transp"):
                    await any_loop.sock_sendfile(sock, file)

    run(any_loop, main())


def test_cancelled_in_the_middle_leaves_the_socket_usable(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        with socket_pair() as (ours, theirs), file_with(LARGE, tmp_path) as file:
            sending = await stalled(any_loop, ours, theirs, file)
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            assert not any_loop.remove_writer(ours)
            draining = any_loop.create_task(drain_peer(any_loop, theirs))
            await any_loop.sock_sendall(ours, b"behind")
            ours.close()
            received = await draining
            assert received.endswith(b"behind")
            assert LARGE[10:].startswith(received.removesuffix(b"behind"))

    run(any_loop, main())


def test_peer_that_closes_ends_it_with_an_error(any_loop: Loop, tmp_path: Path) -> None:
    async def main() -> None:
        with socket_pair() as (ours, theirs), file_with(LARGE, tmp_path) as file:
            sending = await stalled(any_loop, ours, theirs, file)
            theirs.close()
            with pytest.raises(BrokenPipeError):
                await sending
            assert 10 <= file.tell() < len(LARGE)
            assert not any_loop.remove_writer(ours)

    run(any_loop, main())


def test_connection_that_ended_on_the_way_is_a_connection_error(
    any_loop: Loop, tmp_path: Path
) -> None:
    async def main() -> None:
        with socket_pair() as (ours, theirs), file_with(LARGE, tmp_path) as file:
            sending = await stalled(any_loop, ours, theirs, file)
            ended = OSError(errno.ENOTCONN, "Transport endpoint is not connected")
            with mock.patch("os.sendfile", side_effect=ended):
                draining = any_loop.create_task(drain_peer(any_loop, theirs))
                with pytest.raises(ConnectionError) as raised:
                    await sending
            assert raised.value.args == ("socket is not connected", errno.ENOTCONN)
            assert raised.value.__cause__ is ended
            ours.close()
            await draining

    run(any_loop, main())


@pytest.mark.parametrize("interruption", [BlockingIOError, InterruptedError])
def test_call_that_would_block_is_made_again(
    any_loop: Loop, tmp_path: Path, interruption: type[OSError]
) -> None:
    async def main() -> None:
        system_call, calls = os.sendfile, 0

        def first_in_vain(*arguments: int) -> int:
            nonlocal calls
            calls += 1
            if calls == 1:
                raise interruption
            return system_call(*arguments)

        with socket_pair() as (ours, theirs), file_with(SMALL, tmp_path) as file:
            with mock.patch("os.sendfile", side_effect=first_in_vain):
                assert await any_loop.sock_sendfile(ours, file) == len(SMALL)
            assert await read_exactly(any_loop, theirs, len(SMALL)) == SMALL
            assert calls > 1

    run(any_loop, main())


@pytest.mark.parametrize("interruption", [SystemExit, KeyboardInterrupt])
def test_exits_leave_the_loop(
    any_loop: Loop, tmp_path: Path, interruption: type[BaseException]
) -> None:
    with socket_pair() as (ours, theirs), file_with(LARGE, tmp_path) as file:
        sending = run(any_loop, stalled(any_loop, ours, theirs, file))
        with mock.patch("os.sendfile", side_effect=interruption):
            draining = any_loop.create_task(drain_peer(any_loop, theirs))
            with pytest.raises(interruption):
                any_loop.run_forever()
        sending.cancel()
        draining.cancel()
