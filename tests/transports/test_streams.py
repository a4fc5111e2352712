"""asyncio's streams, over TCP and over Unix-domain sockets."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.loops import Failures, run
from tests.support.stream_pairs import Stream, close, connect, pair, start

Loop = asyncio.AbstractEventLoop


@pytest.fixture(params=["tcp", "unix"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    """Where the server of the test listens; nothing stands for a TCP port."""
    return str(tmp_path / "socket") if request.param == "unix" else None


def test_each_way_of_reading_takes_its_part(any_loop: Loop, place: str | None) -> None:
    async def main() -> None:
        async with pair(place) as (client, peer):
            peer.writer.write(b"abcdefghline\nuntil::")
            peer.writer.writelines([b"the ", bytearray(b"re"), memoryview(b"st")])
            peer.writer.write_eof()
            assert await client.reader.read(3) == b"abc"
            assert await client.reader.readexactly(5) == b"defgh"
            assert await client.reader.readline() == b"line\n"
            assert await client.reader.readuntil(b"::") == b"until::"
            assert await client.reader.read(0) == b""
            assert not client.reader.at_eof()
            assert await client.reader.read(-1) == b"the rest"
            assert client.reader.at_eof()
            for _ in range(2):
                assert await client.reader.read() == b""
                assert await client.reader.read(1) == b""
                assert await client.reader.readline() == b""

    run(any_loop, main())


@pytest.mark.skipif(sys.version_info < (3, 13), reason="several separators since 3.13")
def test_the_nearest_of_several_separators_ends_a_part(any_loop: Loop) -> None:
    async def main() -> None:
        async with pair() as (client, peer):
            peer.writer.write(b"one;two--three;")
            separators: Any = (b"--", b";")
            parts = [await client.reader.readuntil(separators) for _ in range(3)]
            assert parts == [b"one;", b"two--", b"three;"]

    run(any_loop, main())


def test_lines_are_iterated_up_to_the_end(any_loop: Loop, place: str | None) -> None:
    async def main() -> None:
        async with pair(place) as (client, peer):
            lines = [b"line %d\n" % number for number in range(1000)]
            peer.writer.writelines([*lines, b"unfinished"])
            peer.writer.write_eof()
            assert [line async for line in client.reader] == [*lines, b"unfinished"]

    run(any_loop, main())


def test_end_before_the_whole_part_hands_over_what_came(any_loop: Loop) -> None:
    async def main() -> None:
        async with pair() as (client, peer):
            for stream, other in ((client, peer), (peer, client)):
                other.writer.write(b"some")
                other.writer.write_eof()
                with pytest.raises(asyncio.IncompleteReadError) as info:
                    if stream is client:
                        await stream.reader.readexactly(10)
                    else:
                        await stream.reader.readuntil(b"\n")
                assert info.value.partial == b"some"
                assert info.value.expected == (10 if stream is client else None)
                assert stream.reader.at_eof()

    run(any_loop, main())


def test_parts_over_the_limit_stay_to_be_read(any_loop: Loop) -> None:
    async def main() -> None:
        async with pair(limit=16) as (client, peer):
            peer.writer.write(b"x" * 30)
            with pytest.raises(asyncio.LimitOverrunError, match="^Separator is not found") as info:
                await client.reader.readuntil(b"\n")
            assert info.value.consumed == 30
            peer.writer.write(b"\nnext\n")
            assert await client.reader.readexactly(31) == b"x" * 30 + b"\n"
            assert await client.reader.readline() == b"next\n"
            peer.writer.write(b"y" * 20 + b"\n")
            with pytest.raises(asyncio.LimitOverrunError, match="^Separator is found, but") as info:
                await client.reader.readuntil(b"\n")
            assert info.value.consumed == 20
            with pytest.raises(ValueError, match="chunk is longer than limit"):
                await client.reader.readline()
            peer.writer.write(b"after\n")
            assert await client.reader.readline() == b"after\n"

    run(any_loop, main())


def test_wrong_arguments_are_refused(any_loop: Loop) -> None:
    async def main() -> None:
        async with pair() as (client, _):
            with pytest.raises(ValueError, match="readexactly size can not be less than zero"):
                await client.reader.readexactly(-1)
            with pytest.raises(ValueError, match="at least one-byte string"):
                await client.reader.readuntil(b"")
            with pytest.raises(TypeError):
                client.writer.write("text")  # type: ignore[arg-type]
            with pytest.raises(ValueError, match="Limit cannot be <= 0"):
                await asyncio.open_connection("127.0.0.1", 1, limit=0)

    run(any_loop, main())


def test_unread_data_stops_the_peer_until_it_is_read(any_loop: Loop, place: str | None) -> None:
    body = os.urandom(16 << 20)

    async def main() -> None:
        async with pair(place, limit=1000) as (client, peer):
            peer.writer.write(body)
            peer.writer.write_eof()
            drains = [asyncio.ensure_future(peer.writer.drain()) for _ in range(3)]
            transport: Any = client.writer.transport
            while transport.is_reading():  # Until more than twice the limit has come.
                await asyncio.sleep(0)
            for _ in range(10):
                await asyncio.sleep(0)
            assert not transport.is_reading()
            assert not any(drain.done() for drain in drains)
            drains[0].cancel()
            received = bytearray(await client.reader.readexactly(100_000))
            while chunk := await client.reader.read(1 << 20):
                received += chunk
            assert received == body
            assert await asyncio.gather(*drains[1:]) == [None, None]
            assert drains[0].cancelled()
            await peer.writer.drain()

    run(any_loop, main())


def test_half_closed_connection_still_receives(any_loop: Loop, place: str | None) -> None:
    async def main() -> None:
        async with pair(place) as (client, peer):
            assert client.writer.can_write_eof()
            client.writer.write(b"question")
            client.writer.write_eof()
            assert await peer.reader.read() == b"question"
            assert not client.writer.is_closing() and not peer.writer.is_closing()
            with pytest.raises(RuntimeError, match=r"Cannot call write\(\) after write_eof\(\)"):
                client.writer.write(b"more")
            peer.writer.write(b"answer")
            peer.writer.close()
            assert await client.reader.read() == b"answer"
            await peer.writer.wait_closed()

    run(any_loop, main())


def test_closed_writer_sends_the_rest_and_then_ends(any_loop: Loop, place: str | None) -> None:
    body = os.urandom(4 << 20)

    async def main() -> None:
        async with pair(place) as (client, peer):
            assert not client.writer.is_closing()
            client.writer.write(body)
            client.writer.close()
            assert client.writer.is_closing()
            waiting = asyncio.ensure_future(client.writer.wait_closed())
            assert await peer.reader.read() == body
            await waiting
            await client.writer.wait_closed()
            with pytest.raises(ConnectionResetError, match="Connection lost"):
                await client.writer.drain()
            assert await client.reader.read() == b""

    run(any_loop, main())


def test_extra_information_names_both_ends(any_loop: Loop, place: str | None) -> None:
    async def main() -> None:
        async with pair(place) as (client, peer):
            ours, theirs = client.writer.get_extra_info, peer.writer.get_extra_info
            assert ours("sockname") == theirs("peername")
            assert ours("peername") == theirs("sockname")
            assert theirs("sockname") == (place or ("127.0.0.1", ours("peername")[1]))
            assert ours("socket").getsockname() == ours("sockname")
            assert ours("nothing") is None
            assert ours("nothing", "default") == "default"
            assert ours("sslcontext") is None

    run(any_loop, main())


def test_client_callback_may_be_a_coroutine_function(any_loop: Loop, place: str | None) -> None:
    async def main() -> None:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None and task.get_loop() is any_loop
            async for line in reader:
                writer.write(line)
                await writer.drain()
            await close(Stream(reader, writer))

        server = await start(echo, place)

        async def ask(number: int) -> None:
            client = await connect(server)
            for turn in range(10):
                token = f"{number} {turn} {os.urandom(8).hex()}\n".encode()
                client.writer.write(token)
                await client.writer.drain()
                assert await client.reader.readline() == token
            client.writer.write_eof()
            assert await client.reader.read() == b""
            await close(client)

        await asyncio.gather(*[ask(number) for number in range(20)])
        server.close()
        await server.wait_closed()

    run(any_loop, main())


@pytest.mark.skipif(sys.version_info < (3, 11, 7), reason="streams.py reports no failure before")
def test_failing_client_coroutine_is_reported_and_its_connection_closed(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        async def fail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            raise ZeroDivisionError

        server = await start(fail)
        client = await connect(server)
        client.writer.write(b"\n")
        assert await client.reader.read() == b""
        await close(client)
        server.close()
        await server.wait_closed()

    run(any_loop, main())
    assert failures.messages == ["Unhandled exception in client_connected_cb"]
    assert isinstance(failures.contexts[0]["exception"], ZeroDivisionError)
    assert failures.contexts[0]["transport"].is_closing()


def test_failing_client_callback_is_reported_and_the_server_goes_on(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        def fail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()
            raise ZeroDivisionError

        server = await start(fail)
        for _ in range(2):
            client = await connect(server)
            assert await client.reader.read() == b""
            await close(client)
        server.close()
        await server.wait_closed()

    run(any_loop, main())
    assert [type(context["exception"]) for context in failures.contexts] == [ZeroDivisionError] * 2


@pytest.mark.skipif(sys.version_info < (3, 13), reason="streams.py closes it since 3.13 only")
def test_cancelled_client_coroutine_closes_its_connection(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        tasks: asyncio.Queue[Any] = asyncio.Queue()

        async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.put_nowait(asyncio.current_task())
            await reader.read()

        server = await start(wait)
        client = await connect(server)
        (await tasks.get()).cancel()
        assert await client.reader.read() == b""
        await close(client)
        server.close()
        await server.wait_closed()

    run(any_loop, main())
    assert failures.contexts == []
