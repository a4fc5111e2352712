"""The writing end of a pipe."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import re
import socket
from typing import Any

import pytest

from tests.support.loops import Failures, run
from tests.support.pipes import fill, plain, read_to_the_end, writer, writing_to
from tests.support.protocols import Recorder

Loop = asyncio.AbstractEventLoop
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")


def test_transport_is_a_transport_that_writes(any_loop: Loop) -> None:
    async def main() -> None:
        async with writer(any_loop) as (recorder, transport, _):
            assert isinstance(transport, asyncio.Transport)  # Though it can't read.
            assert recorder.transport is transport
            assert transport.get_protocol() is recorder
            assert transport.can_write_eof() is True
            assert transport.get_write_buffer_size() == 0
            assert transport.get_write_buffer_limits() == (16384, 65536)
            assert not transport.is_closing()
            with pytest.raises(NotImplementedError):
                transport.pause_reading()
            private: Any = transport
            assert private._loop is any_loop
            assert private._pipe is transport.get_extra_info("pipe")
            assert private._fileno == private._pipe.fileno()
            assert (private._high_water, private._low_water) == (65536, 16384)
            assert (private._conn_lost, private._protocol_paused) == (0, False)

    run(any_loop, main())


@pytest.mark.parametrize("data", ["text", None, 1, [b"list"]])
def test_other_types_are_refused(any_loop: Loop, data: Any) -> None:
    async def main() -> None:
        async with writer(any_loop) as (_, transport, _):
            with pytest.raises(AssertionError, match=re.escape(repr(data))):
                transport.write(data)
            with pytest.raises(TypeError):
                transport.write()  # type: ignore[call-arg]
            assert not transport.is_closing()

    run(any_loop, main())


def test_order_is_kept_when_the_pipe_is_full(any_loop: Loop) -> None:
    async def main() -> None:
        async with writer(any_loop) as (recorder, transport, reading):
            reads = asyncio.ensure_future(read_to_the_end(any_loop, reading))
            body = os.urandom(1 << 20)
            for start in range(0, len(body), 50_000):
                transport.write(body[start : start + 50_000])
            transport.write(b"")
            transport.write_eof()
            transport.write(b"too late")
            assert transport.is_closing()
            assert await reads == body
            assert await recorder.lost is None

    run(any_loop, main())


def test_what_was_written_may_be_changed_afterwards(any_loop: Loop) -> None:
    """zuvloop#61"""

    async def main() -> None:
        async with writer(any_loop) as (_, transport, reading):
            filled = await fill(transport)
            data = bytearray(b"original")
            transport.write(data)
            data[:] = b"modified"
            transport.write_eof()
            assert (await read_to_the_end(any_loop, reading))[filled:] == b"original"

    run(any_loop, main())


def test_full_pipe_pauses_the_protocol_and_an_empty_queue_resumes_it(any_loop: Loop) -> None:
    """uvloop#317, uvloop#311"""

    async def main() -> None:
        async with writer(any_loop) as (recorder, transport, reading):
            transport.set_write_buffer_limits(high=10_000)
            assert transport.get_write_buffer_limits() == (2500, 10_000)
            filled = await fill(transport)
            waiting = transport.get_write_buffer_size()
            assert recorder.calls == ["connection_made"]
            transport.write(bytes(10_000))
            assert recorder.calls == ["connection_made", "pause_writing"]
            assert transport.get_write_buffer_size() == waiting + 10_000
            transport.write(bytes(10_000))
            assert recorder.calls == ["connection_made", "pause_writing"]
            reads = asyncio.ensure_future(read_to_the_end(any_loop, reading))
            await recorder.until(lambda r: r.calls[-1] == "resume_writing")
            assert transport.get_write_buffer_size() == 0
            transport.close()
            assert len(await reads) == filled + 20_000

    run(any_loop, main())


def test_limits_that_make_no_sense_are_refused(any_loop: Loop) -> None:
    async def main() -> None:
        async with writer(any_loop) as (recorder, transport, _):
            with pytest.raises(ValueError, match=r"^high \(1\) must be >= low \(2\) must be >= 0$"):
                transport.set_write_buffer_limits(high=1, low=2)
            await fill(transport)
            transport.set_write_buffer_limits(high=0)
            assert recorder.calls[-1] == "pause_writing"

    run(any_loop, main())


@pytest.mark.parametrize("method", ["pause_writing", "resume_writing"])
def test_flow_control_that_fails_is_reported(any_loop: Loop, method: str) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        async with writer(any_loop) as (recorder, transport, reading):
            setattr(recorder, method, lambda: 1 / 0)
            transport.write(bytes(1 << 18))
            reads = asyncio.ensure_future(read_to_the_end(any_loop, reading))
            transport.write_eof()
            assert len(await reads) == 1 << 18
            await recorder.lost
            assert failures.contexts == [
                {
                    "message": f"protocol.{method}() failed",
                    "exception": failures.contexts[0]["exception"],
                    "transport": transport,
                    "protocol": recorder,
                }
            ]

    run(any_loop, main())


def test_close_lets_the_rest_out_and_abort_drops_it(any_loop: Loop) -> None:
    async def main() -> None:
        async with writer(any_loop) as (recorder, transport, reading):
            filled = await fill(transport)
            transport.close()
            transport.close()
            assert "connection_lost" not in recorder.calls
            assert len(await read_to_the_end(any_loop, reading)) == filled
            assert await recorder.lost is None
        async with writer(any_loop) as (recorder, transport, reading):
            filled = await fill(transport)
            waiting = transport.get_write_buffer_size()
            transport.close()
            transport.abort()
            assert transport.get_write_buffer_size() == 0
            assert await recorder.lost is None
            assert len(await read_to_the_end(any_loop, reading)) == filled - waiting
        assert recorder.calls == ["connection_made", "connection_lost"]

    run(any_loop, main())


def test_reader_that_goes_is_noticed_without_a_write(any_loop: Loop) -> None:
    async def main() -> None:
        async with writer(any_loop) as (recorder, transport, reading):
            os.close(reading)
            assert await recorder.lost is None
            assert transport.is_closing()

    run(any_loop, main())


def test_reader_that_goes_before_it_has_everything_breaks_the_pipe(any_loop: Loop) -> None:
    async def main() -> None:
        async with writer(any_loop) as (recorder, transport, reading):
            await fill(transport)
            os.close(reading)
            assert isinstance(await recorder.lost, BrokenPipeError)

    failures = Failures(any_loop)
    run(any_loop, main())
    assert failures.contexts == []


def test_writes_into_a_broken_pipe_are_dropped_with_a_warning(
    any_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    """uvloop#506, uvloop#685"""
    failures = Failures(any_loop)

    async def main() -> None:
        async with writer(any_loop) as (recorder, transport, reading):
            os.close(reading)
            transport.write(b"nobody reads this")
            assert transport.is_closing()
            for _ in range(6):
                transport.write(b"nor this")
            error = await recorder.lost
            assert isinstance(error, BrokenPipeError)
            assert error.errno == 32
            transport.write(b"nor this after the end")
            transport.write_eof()
            transport.close()

    with caplog.at_level(logging.WARNING, "asyncio"):
        run(any_loop, main())
    assert failures.contexts == []
    assert [record.getMessage() for record in caplog.records] == [
        "pipe closed by peer or os.write(pipe, data) raised exception."
    ] * 3


def test_socket_that_sends_something_is_taken_for_closed(any_loop: Loop) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        recorder = Recorder(any_loop)
        with theirs:
            async with writing_to(any_loop, recorder, ours.detach()):
                theirs.sendall(b"?")
                assert await recorder.lost is None

    run(any_loop, main())


def test_data_that_is_no_plain_buffer_is_a_failure_of_the_transport(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        async with writer(any_loop) as (recorder, transport, _):
            transport.write(memoryview(bytes(8))[::2])
            assert isinstance(await recorder.lost, BufferError)

    run(any_loop, main())
    assert failures.messages == ["Fatal write error on pipe transport"]


def test_resume_writing_may_write_and_close(loop: Loop) -> None:
    class Resumed(Recorder):
        def resume_writing(self) -> None:
            super().resume_writing()
            self.transport.write(b"last words")
            self.transport.close()

    async def main() -> None:
        reading, writing = os.pipe()
        recorder = Resumed(loop)
        with plain(reading):
            async with writing_to(loop, recorder, writing) as transport:
                transport.write(bytes(1 << 18))
                received = await read_to_the_end(loop, reading)
                assert received[1 << 18 :] == b"last words"

    run(loop, main())  # asyncio loses the last words where they have to wait.


def test_connection_lost_comes_once_whatever_resume_writing_does(loop: Loop) -> None:
    class Aborting(Recorder):
        def resume_writing(self) -> None:
            super().resume_writing()
            self.transport.abort()
            self.transport.abort()

    failures = Failures(loop)

    async def main() -> None:
        reading, writing = os.pipe()
        recorder = Aborting(loop)
        with plain(reading):
            async with writing_to(loop, recorder, writing) as transport:
                transport.write(bytes(1 << 18))
                transport.close()
                await read_to_the_end(loop, reading)
                await recorder.lost
                transport.abort()
        assert recorder.calls.count("connection_lost") == 1

    run(loop, main())
    assert failures.contexts == []


def test_connection_lost_that_fails_is_reported_and_the_pipe_closed(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    async def main() -> None:
        async with writer(any_loop) as (recorder, transport, reading):
            recorder.connection_lost = lambda exc: 1 / 0  # type: ignore[assignment,return-value]
            transport.close()
            assert await read_to_the_end(any_loop, reading) == b""

    run(any_loop, main())
    assert len(failures.contexts) == 1
    assert re.match(r"Exception in callback \w+\._call_connection_lost\(", failures.messages[0])


def test_resume_writing_and_the_end_run_in_the_context_of_the_write(any_loop: Loop) -> None:
    seen = []

    class Looking(Recorder):
        def pause_writing(self) -> None:
            seen.append(variable.get())

        def resume_writing(self) -> None:
            seen.append(variable.get())

        def connection_lost(self, exc: Exception | None) -> None:
            seen.append(variable.get())
            super().connection_lost(exc)

    async def main() -> None:
        reading, writing = os.pipe()
        recorder = Looking(any_loop)
        variable.set("connecting")
        with plain(reading):
            async with writing_to(any_loop, recorder, writing) as transport:
                variable.set("writing")
                transport.write(bytes(1 << 18))
                variable.set("closing")
                transport.close()
                await read_to_the_end(any_loop, reading)
                await recorder.lost

    run(any_loop, main())
    assert seen == ["writing", "writing", "writing"]


def test_debug_mode_logs_a_broken_pipe(any_loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    any_loop.set_debug(True)

    async def main() -> None:
        async with writer(any_loop) as (recorder, transport, reading):
            assert re.fullmatch(r"<\w+ fd=\d+ idle bufsize=0>", repr(transport))
            await fill(transport)
            assert re.fullmatch(r"<\w+ fd=\d+ polling bufsize=\d+>", repr(transport))
            os.close(reading)
            transport.close()
            assert re.fullmatch(r"<\w+ closing fd=\d+ polling bufsize=\d+>", repr(transport))
            await recorder.lost
        assert re.fullmatch(r"<\w+ closed fd=\d+ closed>", repr(transport))
        async with writer(any_loop) as (recorder, transport, reading):
            os.close(reading)
            transport.write(b"data")
            await recorder.lost

    with caplog.at_level(logging.DEBUG, "asyncio"):
        run(any_loop, main())
    for pattern in (
        r"Write pipe \d+ connected: \(<\w+ fd=\d+ idle bufsize=0>, ",
        r"INFO .*> was closed by peer",
        r"DEBUG .*<\w+ fd=\d+ idle bufsize=0>: Fatal write error on pipe transport",
    ):
        assert re.search(pattern, caplog.text), pattern
