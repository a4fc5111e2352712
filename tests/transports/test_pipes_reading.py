"""The reading end of a pipe."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import os
import re
from typing import Any

import pytest

from tests.support.loops import Failures, run
from tests.support.pipes import open_pty, plain, reader, reading_from
from tests.support.protocols import Recorder

Loop = asyncio.AbstractEventLoop
variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")


@pytest.mark.asyncio_since((3, 11, 7), "no is_reading() before")
def test_transport_is_a_read_transport(any_loop: Loop) -> None:
    async def main() -> None:
        async with reader(any_loop) as (recorder, transport, _):
            assert isinstance(transport, asyncio.ReadTransport)
            assert not isinstance(transport, asyncio.WriteTransport)
            assert recorder.transport is transport
            assert transport.get_protocol() is recorder
            assert transport.is_reading()
            assert not transport.is_closing()
            private: Any = transport
            assert private._loop is any_loop
            assert private._pipe is transport.get_extra_info("pipe")
            assert private._fileno == private._pipe.fileno()
            assert private._extra == {"pipe": private._pipe}

    run(any_loop, main())


def test_one_read_gives_at_most_a_quarter_mebibyte(any_loop: Loop) -> None:
    sizes = []

    class Sizes(Recorder):
        def data_received(self, data: bytes) -> None:
            sizes.append(len(data))
            super().data_received(data)

    async def main() -> None:
        reading, writing = os.pipe()
        with plain(writing):
            async with reading_from(any_loop, receiver := Sizes(any_loop), reading):
                for size in (1, 4096, 65536, 65536, 65536, 10):
                    os.write(writing, bytes(size))
                    total = len(receiver.received) + size
                    await receiver.until(lambda r, total=total: len(r.received) == total)

    run(any_loop, main())
    assert sizes == [1, 4096, 65536, 65536, 65536, 10]


@pytest.mark.asyncio_since((3, 11, 7), "no is_reading() before")
def test_nothing_is_read_while_paused(any_loop: Loop) -> None:
    async def main() -> None:
        async with reader(any_loop) as (recorder, transport, writing):
            transport.pause_reading()
            transport.pause_reading()
            assert not transport.is_reading()
            os.write(writing, b"data")
            for _ in range(3):
                await asyncio.sleep(0)
            assert recorder.received == b""
            transport.resume_reading()
            transport.resume_reading()
            await recorder.until(lambda r: r.received == b"data")
            assert transport.is_reading()

    run(any_loop, main())


@pytest.mark.asyncio_since((3, 11, 7), "the pause was undone before")
def test_transport_paused_by_connection_made_waits_to_be_resumed(any_loop: Loop) -> None:
    class Paused(Recorder):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            transport.pause_reading()

    async def main() -> None:
        reading, writing = os.pipe()
        os.write(writing, b"data")
        with plain(writing):
            async with reading_from(any_loop, receiver := Paused(any_loop), reading) as transport:
                for _ in range(3):
                    await asyncio.sleep(0)
                assert receiver.received == b""
                transport.resume_reading()
                await receiver.until(lambda r: r.received == b"data")

    run(any_loop, main())


@pytest.mark.asyncio_since((3, 11, 7), "no is_reading() before")
def test_end_of_file_is_told_and_closes(any_loop: Loop) -> None:
    async def main() -> None:
        async with reader(any_loop) as (recorder, transport, writing):
            recorder.keep_open_at_eof = True  # Pipes don't ask.
            os.write(writing, b"last words")
            os.close(writing)
            assert await recorder.lost is None
            assert recorder.received == b"last words"
            assert recorder.calls[-2:] == ["eof_received", "connection_lost"]
            assert transport.is_closing()
            assert not transport.is_reading()
            assert transport.get_extra_info("pipe").closed

    run(any_loop, main())


def test_eof_received_that_fails_does_not_keep_the_pipe_open(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    class Failing(Recorder):
        def eof_received(self) -> bool:
            raise ZeroDivisionError

    async def main() -> None:
        reading, writing = os.pipe()
        async with reading_from(any_loop, receiver := Failing(any_loop), reading):
            os.close(writing)
            assert await receiver.lost is None

    run(any_loop, main())
    assert len(failures.contexts) == 1
    assert re.match(r"Exception in callback .*Failing\.eof_received\(\)", failures.messages[0])


def test_data_received_that_fails_is_reported_and_reading_goes_on(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    class Failing(Recorder):
        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            raise ZeroDivisionError

    async def main() -> None:
        reading, writing = os.pipe()
        with plain(writing):
            async with reading_from(any_loop, receiver := Failing(any_loop), reading) as transport:
                for count in (1, 2):
                    os.write(writing, b"x")
                    await receiver.until(lambda r, count=count: len(r.received) == count)
                assert not transport.is_closing()

    run(any_loop, main())
    assert len(failures.contexts) == 2
    for context in failures.contexts:
        assert re.match(r"Exception in callback \w+\._read_ready\(\)", context["message"])
        assert isinstance(context["exception"], ZeroDivisionError)
        assert isinstance(context["handle"], asyncio.Handle)


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("method", ["connection_made", "data_received", "eof_received"])
def test_exit_leaves_the_loop_and_the_next_run_goes_on(
    any_loop: Loop, method: str, kind: type[BaseException]
) -> None:
    reading, writing = os.pipe()
    recorder = Recorder(any_loop)
    original = getattr(recorder, method)

    def leave(*args: Any) -> None:
        original(*args)
        raise kind

    setattr(recorder, method, leave)
    os.write(writing, b"data")
    os.close(writing)
    connecting = any_loop.create_task(
        any_loop.connect_read_pipe(lambda: recorder, os.fdopen(reading, "rb", 0))
    )
    with pytest.raises(kind):
        any_loop.run_forever()
    assert run(any_loop, _result(recorder.lost)) is None
    assert connecting.done()
    assert recorder.calls == [
        "connection_made",
        "data_received",
        "eof_received",
        "connection_lost",
    ]


async def _result(future: asyncio.Future[Any]) -> Any:
    return await future


def test_error_of_a_terminal_ends_it_without_a_report(
    any_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    failures = Failures(any_loop)
    any_loop.set_debug(True)

    async def main() -> None:
        ours, theirs = open_pty()
        async with reading_from(any_loop, receiver := Recorder(any_loop), ours):
            os.close(theirs)
            assert isinstance(await receiver.lost, OSError)

    with caplog.at_level(logging.DEBUG, "asyncio"):
        run(any_loop, main())
    assert failures.contexts == []
    lines = [record for record in caplog.records if "Fatal read error" in record.getMessage()]
    assert len(lines) == 1
    assert lines[0].exc_info is not None


def test_other_read_errors_are_reported(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    async def main() -> Any:
        async with reader(any_loop) as (recorder, transport, writing):
            # Not open for reading any more: EBADF.
            os.dup2(writing, transport.get_extra_info("pipe").fileno())
            transport._read_ready()  # type: ignore[attr-defined]
            error = await recorder.lost
            assert isinstance(error, OSError)
            return transport, recorder, error

    transport, recorder, error = run(any_loop, main())
    assert failures.contexts == [
        {
            "message": "Fatal read error on pipe transport",
            "exception": error,
            "transport": transport,
            "protocol": recorder,
        }
    ]


def test_protocol_can_be_replaced(any_loop: Loop) -> None:
    async def main() -> None:
        async with reader(any_loop) as (recorder, transport, writing):
            second = Recorder(any_loop)
            transport.set_protocol(protocol=second)  # type: ignore[call-arg]
            assert transport.get_protocol() is second
            os.write(writing, b"data")
            await second.until(lambda r: r.received == b"data")
            transport.close()
            await second.lost
            assert recorder.calls == ["connection_made"]
            assert transport.get_protocol() is None

    run(any_loop, main())


def test_context_is_that_of_who_connects_then_of_who_resumes(any_loop: Loop) -> None:
    seen = []

    class Looking(Recorder):
        def connection_made(self, transport: Any) -> None:
            seen.append(("made", variable.get()))
            variable.set("lost with the callback")
            super().connection_made(transport)

        def data_received(self, data: bytes) -> None:
            seen.append(("data", variable.get()))
            super().data_received(data)

        def connection_lost(self, exc: Exception | None) -> None:
            seen.append(("lost", variable.get()))
            super().connection_lost(exc)

    async def main() -> None:
        variable.set("connecting")
        reading, writing = os.pipe()
        with plain(writing):
            async with reading_from(any_loop, receiver := Looking(any_loop), reading) as transport:
                os.write(writing, b"1")
                await receiver.until(lambda r: len(r.received) == 1)
                variable.set("resuming")
                transport.pause_reading()
                transport.resume_reading()
                os.write(writing, b"2")
                await receiver.until(lambda r: len(r.received) == 2)
                variable.set("closing")
                transport.close()
                await receiver.lost

    run(any_loop, main())
    assert seen == [
        ("made", "connecting"),
        ("data", "connecting"),
        ("data", "resuming"),
        ("lost", "closing"),
    ]


def test_debug_mode_logs_what_happens(any_loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    any_loop.set_debug(True)

    async def main() -> None:
        async with reader(any_loop) as (recorder, transport, writing):
            transport.pause_reading()
            transport.resume_reading()
            os.close(writing)
            await recorder.lost

    with caplog.at_level(logging.DEBUG, "asyncio"):
        run(any_loop, main())
    text = caplog.text
    for pattern in (
        r"Read pipe \d+ connected: \(<\w+ fd=\d+ polling>, ",
        r"DEBUG .*<\w+ fd=\d+ idle> pauses reading",
        r"DEBUG .*<\w+ fd=\d+ polling> resumes reading",
        r"INFO .*<\w+ fd=\d+ polling> was closed by peer",
    ):
        assert re.search(pattern, text), pattern
