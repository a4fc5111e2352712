"""Who owns a pipe, and what happens to a transport that nobody closes."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import weakref
from typing import Any

import pytest

import cxxloop
from cxxloop import _core
from tests.support.loops import Failures, close_loop, run
from tests.support.pipes import plain, reader, reading_from, writer, writing_to
from tests.support.protocols import Recorder

Loop = asyncio.AbstractEventLoop
ENDS = ["read", "write"]


class Quiet:
    """A pipe's end that doesn't warn when it isn't closed."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.closed = 0

    def fileno(self) -> int:
        return self.fd

    def close(self) -> None:
        self.closed += 1
        os.close(self.fd)


class OpensAnother(Quiet):
    """Its close() opens a pipe at once: the number is in use again."""

    fresh: tuple[int, int] | None = None

    def close(self) -> None:
        super().close()
        self.fresh = os.pipe()

    def check(self) -> None:
        """The fresh pipe is intact."""
        assert self.closed == 1
        assert self.fresh is not None
        reading, writing = self.fresh
        os.write(writing, b"intact")
        assert os.read(reading, 100) == b"intact"
        os.close(reading)
        os.close(writing)


async def connect(loop: Loop, end: str, pipe: Any) -> Any:
    transport, _ = await getattr(loop, f"connect_{end}_pipe")(lambda: Recorder(loop), pipe)
    return transport


@pytest.mark.parametrize("end", ENDS)
def test_pipe_is_closed_once_and_its_number_not_touched_again(any_loop: Loop, end: str) -> None:
    """uvloop#763, uvloop#764"""

    async def main() -> None:
        fds = os.pipe()
        ours, theirs = fds if end == "read" else fds[::-1]
        pipe = OpensAnother(ours)
        with plain(theirs):
            transport = await connect(any_loop, end, pipe)
            transport.close()
            await transport.get_protocol().lost
            await asyncio.sleep(0)
            del transport
            gc.collect()
        pipe.check()

    run(any_loop, main())


@pytest.mark.parametrize("end", ENDS)
def test_abandoned_transport_warns_and_closes_the_pipe(end: str) -> None:
    fds = os.pipe()
    ours, theirs = fds if end == "read" else fds[::-1]
    pipe = OpensAnother(ours)
    loop = cxxloop.Loop()
    transport = run(loop, connect(loop, end, pipe))
    alive = weakref.ref(transport)
    loop.close()
    with pytest.warns(ResourceWarning, match=rf"^unclosed transport <\w+ fd={ours} open>$"):
        del transport
        gc.collect()
    gc.collect()  # The caught warning has its source, and weak references end later since 3.15.
    assert alive() is None
    pipe.check()
    os.close(theirs)


def test_writer_that_waits_for_nothing_is_collected_by_itself(any_loop: Loop) -> None:
    async def main() -> None:
        reading, writing = os.openpty()
        with plain(reading):
            transport = await connect(any_loop, "write", Quiet(writing))
            alive = weakref.ref(transport)
            with pytest.warns(ResourceWarning, match=r"unclosed transport <\w+ fd=\d+ idle"):
                del transport
                gc.collect()
            gc.collect()
            assert alive() is None

    run(any_loop, main())


@pytest.mark.parametrize("end", ENDS)
def test_transport_lives_as_long_as_it_is_watched(any_loop: Loop, end: str) -> None:
    async def main() -> None:
        fds = os.pipe()
        ours, theirs = fds if end == "read" else fds[::-1]
        transport = await connect(any_loop, end, os.fdopen(ours, f"{end[0]}b", 0))
        protocol = transport.get_protocol()
        protocol.transport = None
        alive = weakref.ref(transport)
        del transport
        gc.collect()
        assert alive() is not None
        os.close(theirs)
        assert await protocol.lost is None
        await asyncio.sleep(0)
        assert alive() is None

    gc.disable()
    try:
        run(any_loop, main())
    finally:
        gc.enable()


@pytest.mark.parametrize("end", ENDS)
def test_closed_transport_holds_nothing(any_loop: Loop, end: str) -> None:
    async def main() -> None:
        async with (
            reader(any_loop) if end == "read" else writer(any_loop) as (
                recorder,
                transport,
                _,
            )
        ):
            transport.close()
            await recorder.lost
            await asyncio.sleep(0)
            private: Any = transport
            assert private._loop is None
            assert private._pipe is None
            assert private._protocol is None
            assert transport.is_closing()
            transport.close()
            assert re.fullmatch(r"<\w+ closed fd=\d+ closed>", repr(transport))

    run(any_loop, main())


@pytest.mark.parametrize("end", ENDS)
def test_cycles_through_a_transport_are_collected(end: str) -> None:
    fds = os.pipe()
    ours, theirs = fds if end == "read" else fds[::-1]
    loop = cxxloop.Loop()
    transport = run(loop, connect(loop, end, Quiet(ours)))
    transport.itself = transport
    transport.get_protocol().loop_again = loop
    alive = weakref.ref(loop), weakref.ref(transport)
    with pytest.warns(ResourceWarning) as warned:
        del loop, transport
        gc.collect()
    assert {str(warning.message).split()[1] for warning in warned} == {"event", "transport"}
    del warned
    gc.collect()
    assert [ref() for ref in alive] == [None, None]
    os.close(theirs)


@pytest.mark.parametrize("end", ENDS)
def test_close_after_the_loop_was_closed_says_so(end: str) -> None:
    fds = os.pipe()
    ours, theirs = fds if end == "read" else fds[::-1]
    for make in (asyncio.SelectorEventLoop, cxxloop.Loop):
        loop = make()
        transport = run(loop, connect(loop, end, Quiet(os.dup(ours))))
        close_loop(loop)
        with pytest.raises(RuntimeError, match="^Event loop is closed$"):
            transport.close()
        assert transport.is_closing()
        with pytest.warns(ResourceWarning, match="unclosed transport <"):
            del transport
            gc.collect()
    os.close(ours)
    os.close(theirs)


def test_pipe_whose_close_fails_is_reported(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    class Failing(Quiet):
        def close(self) -> None:
            super().close()
            raise ZeroDivisionError

    async def main() -> None:
        reading, writing = os.pipe()
        with plain(writing):
            transport = await connect(any_loop, "read", Failing(reading))
            transport.close()
            await transport.get_protocol().lost
            await asyncio.sleep(0)
            transport._pipe = None

    run(any_loop, main())
    assert len(failures.contexts) == 1
    assert "._call_connection_lost(" in failures.messages[0]
    assert isinstance(failures.contexts[0]["exception"], ZeroDivisionError)


@pytest.mark.parametrize("kind", [_core.ReadPipeTransport, _core.WritePipeTransport])
def test_transports_are_not_made_by_hand(kind: Any) -> None:
    with pytest.raises(TypeError):
        kind()
    with pytest.raises(TypeError):
        kind.__new__(kind)


def test_private_methods_of_a_closed_transport_do_nothing(loop: Loop) -> None:
    async def main() -> None:
        reading, writing = os.pipe()
        async with (
            reading_from(loop, Recorder(loop), reading) as reads,
            writing_to(loop, Recorder(loop), writing) as writes,
        ):
            transports: list[Any] = [reads, writes]
        for transport in transports:
            transport._read_ready()
            transport._call_connection_lost(None)
        transports[0].pause_reading()
        transports[0].resume_reading()
        transports[1]._write_ready()
        transports[1].abort()
        transports[1].write(b"data")
        transports[1].set_write_buffer_limits(high=0)

    run(loop, main())
