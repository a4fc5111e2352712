"""connect_read_pipe() and connect_write_pipe(): whatever they take, from end to end."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.loops import Failures, run
from tests.support.pipes import (
    KINDS,
    make_pipe,
    open_pty,
    plain,
    read_to_the_end,
    reading_from,
    writing_to,
)
from tests.support.protocols import Recorder

Loop = asyncio.AbstractEventLoop


@pytest.mark.parametrize("kind", KINDS)
def test_bytes_pass_from_one_transport_to_the_other(
    any_loop: Loop, kind: str, tmp_path: Path
) -> None:
    body = os.urandom(1 << 18)

    async def main() -> None:
        receiver, sender = Recorder(any_loop), Recorder(any_loop)
        reading, writing = make_pipe(kind, tmp_path)
        async with (
            reading_from(any_loop, receiver, reading),
            writing_to(any_loop, sender, writing) as transport,
        ):
            transport.write(body[:10])
            transport.writelines([body[10:1000], bytearray(body[1000:2000])])
            transport.write(memoryview(body)[2000:])
            await receiver.until(lambda r: len(r.received) == len(body))
            assert bytes(receiver.received) == body
            transport.close()
            assert await sender.lost is None
            if kind == "pty":
                error = await receiver.lost
                assert isinstance(error, OSError) and error.errno == 5
                assert "eof_received" not in receiver.calls
            else:
                assert await receiver.lost is None
                assert receiver.calls[-2:] == ["eof_received", "connection_lost"]

    failures = Failures(any_loop)
    run(any_loop, main())
    assert failures.contexts == []


def test_streams_work_over_pipes(any_loop: Loop) -> None:
    async def main() -> None:
        reading, writing = os.pipe()
        stream = asyncio.StreamReader()
        transport, _ = await any_loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading, "rb", 0)
        )
        out, protocol = await any_loop.connect_write_pipe(
            asyncio.streams.FlowControlMixin, os.fdopen(writing, "wb", 0)
        )
        writer = asyncio.StreamWriter(out, protocol, None, any_loop)
        writer.writelines([b"one\n", b"two\n"])
        await writer.drain()
        writer.write_eof()
        assert [line async for line in stream] == [b"one\n", b"two\n"]
        assert stream.at_eof()
        transport.close()
        await asyncio.sleep(0)

    run(any_loop, main())


def test_both_directions_of_one_terminal_work(any_loop: Loop) -> None:
    """byllyfish/shellous#100"""

    async def main() -> None:
        ours, theirs = open_pty()
        incoming, outgoing = Recorder(any_loop), Recorder(any_loop)
        with plain(theirs):
            async with (
                reading_from(any_loop, incoming, os.dup(ours)),
                writing_to(any_loop, outgoing, ours) as transport,
            ):
                transport.write(b"to the program")
                assert await any_loop.run_in_executor(None, os.read, theirs, 100) == (
                    b"to the program"
                )
                os.write(theirs, b"from the program")
                await incoming.until(lambda r: r.received == b"from the program")

    run(any_loop, main())


def test_one_file_object_of_a_terminal_serves_both_directions(any_loop: Loop) -> None:
    async def main() -> None:
        ours, theirs = open_pty()
        incoming, outgoing = Recorder(any_loop), Recorder(any_loop)
        with plain(theirs), open(ours, "r+b", 0) as file:
            reads, _ = await any_loop.connect_read_pipe(lambda: incoming, file)
            writes, _ = await any_loop.connect_write_pipe(lambda: outgoing, file)
            writes.write(b"out")
            assert await any_loop.run_in_executor(None, os.read, theirs, 100) == b"out"
            os.write(theirs, b"in")
            await incoming.until(lambda r: r.received == b"in")
            reads.close()
            writes.close()
            assert await incoming.lost is None
            assert await outgoing.lost is None

    run(any_loop, main())


def test_regular_files_are_refused(any_loop: Loop, tmp_path: Path) -> None:
    """saghul/pyuv#197, saghul/pyuv#213"""
    path = tmp_path / "file"
    path.write_bytes(b"contents")

    async def main() -> None:
        with path.open("r+b", 0) as file:
            with pytest.raises(ValueError, match=r"^Pipe transport is for pipes/sockets only\.$"):
                await any_loop.connect_read_pipe(asyncio.Protocol, file)
            with pytest.raises(
                ValueError,
                match="^Pipe transport is only for pipes, sockets and character devices$",
            ):
                await any_loop.connect_write_pipe(asyncio.BaseProtocol, file)
            assert os.get_blocking(file.fileno())
            assert file.read() == b"contents"

    run(any_loop, main())


def test_device_that_cannot_be_waited_for_is_reported(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        receiver, sender = Recorder(any_loop), Recorder(any_loop)
        async with (
            reading_from(any_loop, receiver, os.open(os.devnull, os.O_RDONLY)) as reads,
            writing_to(any_loop, sender, os.open(os.devnull, os.O_WRONLY)) as writes,
        ):
            assert len(failures.contexts) == 1  # A writer waits for nothing yet.
            assert "_add_reader(" in failures.messages[0]
            assert isinstance(failures.contexts[0]["exception"], PermissionError)
            writes.write(b"into nothing")
            reads.pause_reading()
            with pytest.raises(PermissionError):
                reads.resume_reading()

    run(any_loop, main())
    assert len(failures.contexts) == 1


@pytest.mark.parametrize("end", ["read", "write"])
def test_pipe_is_set_to_non_blocking(any_loop: Loop, end: str) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            connect = getattr(any_loop, f"connect_{end}_pipe")
            transport, protocol = await connect(lambda: Recorder(any_loop), ours)
            assert not os.get_blocking(ours.fileno())
            assert transport.get_extra_info("pipe") is ours
            assert transport.get_extra_info("socket", "none") == "none"
            transport.close()
            assert await protocol.lost is None
        await asyncio.sleep(0)
        assert ours.fileno() == -1

    run(any_loop, main())


@pytest.mark.parametrize("end", ["read", "write"])
def test_factory_that_fails_leaves_the_pipe_alone(any_loop: Loop, end: str) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            with pytest.raises(ZeroDivisionError):
                await getattr(any_loop, f"connect_{end}_pipe")(lambda: 1 / 0, ours)
            assert ours.gettimeout() is None
            theirs.sendall(b"still open")
            assert ours.recv(100) == b"still open"

    run(any_loop, main())


@pytest.mark.parametrize("end", ["read", "write"])
def test_cancelled_connect_closes_the_pipe(any_loop: Loop, end: str) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            recorder = Recorder(any_loop)
            connecting = asyncio.ensure_future(
                getattr(any_loop, f"connect_{end}_pipe")(lambda: recorder, ours)
            )
            await asyncio.sleep(0)
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            assert await recorder.lost is None
            assert theirs.recv(1) == b""
            assert recorder.calls == ["connection_made", "connection_lost"]

    run(any_loop, main())


def test_connection_made_that_fails_is_reported_and_connects(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    class Failing(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            raise ZeroDivisionError

    async def main() -> None:
        reading, writing = os.pipe()
        with plain(writing):
            async with reading_from(any_loop, receiver := Failing(any_loop), reading):
                os.write(writing, b"data")
                await receiver.until(lambda r: r.received == b"data")

    run(any_loop, main())
    assert len(failures.contexts) == 1
    assert ".connection_made(" in failures.messages[0]


def test_end_of_a_child_that_writes_much_arrives_after_all_of_it(any_loop: Loop) -> None:
    """libuv/libuv#4992"""

    async def main() -> None:
        ours, theirs = open_pty()
        receiver = Recorder(any_loop)
        async with reading_from(any_loop, receiver, ours):
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-ISc", "import os\nfor _ in range(100): os.write(1, bytes(10_000))"),
                stdout=theirs,
            )
            os.close(theirs)
            assert await child.wait() == 0
            assert isinstance(await receiver.lost, OSError)
            assert len(receiver.received) == 1_000_000

    run(any_loop, main())


def test_named_pipe_with_data_unread_is_not_taken_for_closed(
    any_loop: Loop, tmp_path: Path
) -> None:
    """cpython#145030"""

    async def main() -> None:
        reading, writing = make_pipe("fifo", tmp_path)
        sender = Recorder(any_loop)
        with plain(reading):
            async with writing_to(any_loop, sender, writing) as transport:
                for piece in (b"one ", b"two ", b"three"):
                    transport.write(piece)
                    await asyncio.sleep(0)
                assert not transport.is_closing()
                transport.close()
                assert await read_to_the_end(any_loop, reading) == b"one two three"

    run(any_loop, main())
