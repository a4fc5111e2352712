"""Talking to a child: communicate(), its streams, and how much may wait."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from tests.support.children import PIPE, output_of, python
from tests.support.loops import Failures, run

Loop = asyncio.AbstractEventLoop


def test_communicate_sends_and_receives_at_once(any_loop: Loop) -> None:
    body = os.urandom(1 << 20)
    assert run(any_loop, output_of("cat", stdin=body)) == (0, body)


def test_lines_arrive_as_the_child_writes_them(any_loop: Loop) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_shell(
            'while read line; do echo "<$line>"; done', stdin=PIPE, stdout=PIPE
        )
        assert child.stdin is not None
        assert child.stdout is not None
        for word in (b"one", b"two", b"three"):
            child.stdin.write(word + b"\n")
            await child.stdin.drain()
            assert await child.stdout.readline() == b"<" + word + b">\n"
        child.stdin.close()
        await child.stdin.wait_closed()
        assert await child.stdout.read() == b""
        assert await child.wait() == 0

    run(any_loop, main())


def test_child_that_reads_nothing_makes_drain_wait(any_loop: Loop) -> None:
    """uvloop#317, uvloop#311, microsoft/playwright-python#425"""

    async def main() -> None:
        child = await asyncio.create_subprocess_exec("sleep", "3600", stdin=PIPE)
        assert child.stdin is not None
        draining: asyncio.Future[None] = asyncio.ensure_future(asyncio.sleep(0))
        while True:
            child.stdin.write(bytes(32 * 1024))
            draining = asyncio.ensure_future(child.stdin.drain())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            if not draining.done():
                break
        child.kill()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            await draining
        assert await child.wait() == -9

    run(any_loop, main())


def test_stream_that_nobody_reads_makes_the_child_wait(any_loop: Loop) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_exec(
            *python("import os\nfor i in range(256): os.write(1, bytes([i]) * 4096)"),
            stdout=PIPE,
            limit=1 << 16,
        )
        transport: Any = child._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
        while not transport._paused:  # is_reading() is newer than 3.11.2
            await asyncio.sleep(0)
        assert child.stdout is not None
        expected = b"".join(bytes([i]) * 4096 for i in range(256))
        assert await child.stdout.read() == expected
        assert await child.wait() == 0

    run(any_loop, main())


def test_everything_arrives_of_a_child_that_ends_at_once(any_loop: Loop) -> None:
    """libuv/libuv#4992"""

    async def main() -> None:
        size = 10 * 1000 * 1000
        child = await asyncio.create_subprocess_shell(
            f"head -c {size} /dev/zero >&2", stdout=PIPE, stderr=PIPE
        )
        out, err = await child.communicate()
        assert (len(out), len(err), child.returncode) == (0, size, 0)

    run(any_loop, main())


def test_child_that_does_not_read_its_input_is_no_failure(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        child = await asyncio.create_subprocess_exec("true", stdin=PIPE, stdout=PIPE)
        assert await child.communicate(bytes(1 << 20)) == (b"", None)
        assert child.returncode == 0

    run(any_loop, main())
    assert failures.contexts == []


def test_child_can_open_its_streams_again_by_name(any_loop: Loop) -> None:
    """uvloop#532, uvloop#505"""

    async def main() -> None:
        child = await asyncio.create_subprocess_shell(
            "cat /dev/stdin > /proc/self/fd/1", stdin=PIPE, stdout=PIPE
        )
        assert await child.communicate(b"through names") == (b"through names", None)
        assert child.returncode == 0

    run(any_loop, main())


def test_reading_a_pipe_can_be_paused(any_loop: Loop) -> None:
    async def main() -> None:
        child = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        transport: Any = child._transport.get_pipe_transport(1)  # type: ignore[attr-defined]
        assert child.stdin is not None
        assert child.stdout is not None
        transport.pause_reading()
        child.stdin.write(b"data")
        await child.stdin.drain()
        transport.resume_reading()
        child.stdin.write_eof()
        assert await child.stdout.read() == b"data"
        assert await child.wait() == 0

    run(any_loop, main())


def test_pipeline_of_two_children_passes_bytes(any_loop: Loop) -> None:
    async def main() -> None:
        reading, writing = os.pipe()
        first = await asyncio.create_subprocess_exec("echo", "words", stdout=writing)
        os.close(writing)
        second = await asyncio.create_subprocess_exec(
            "tr", "a-z", "A-Z", stdin=reading, stdout=PIPE
        )
        os.close(reading)
        assert await second.communicate() == (b"WORDS\n", None)
        assert await first.wait() == 0

    run(any_loop, main())
