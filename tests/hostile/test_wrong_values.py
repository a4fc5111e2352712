"""Single wrong values that were once taken for right ones, or the other way round."""

from __future__ import annotations

import array
import asyncio
import contextvars
import math
import os
import pickle
import socket
import sys
from fractions import Fraction
from typing import Any

import pytest

import cxxloop
from tests.support.loops import Failures, run, run_once
from tests.support.protocols import Recorder, plain_peer

Loop = asyncio.AbstractEventLoop


def test_parameters_that_are_given_twice_are_refused(any_loop: Loop) -> None:
    calls: list[Any] = [
        (any_loop.call_soon, (print,), "callback"),
        (any_loop.call_soon_threadsafe, (print,), "callback"),
        (any_loop.call_later, (0, print), "delay"),
        (any_loop.call_later, (0, print), "callback"),
        (any_loop.call_at, (0, print), "when"),
        (any_loop.add_reader, (0, print), "callback"),
        (any_loop.add_writer, (0, print), "fd"),
    ]
    for method, arguments, name in calls:
        with pytest.raises(TypeError, match=f"got multiple values for argument '{name}'$"):
            method(*arguments, **{name: print})


def test_callbacks_by_keyword_are_called(any_loop: Loop) -> None:
    called: list[int] = []
    any_loop.call_soon(callback=lambda: called.append(1))
    any_loop.call_later(0, callback=lambda: called.append(2))
    any_loop.call_at(when=0, callback=lambda: called.append(3))
    run_once(any_loop)
    run_once(any_loop)
    assert sorted(called) == [1, 2, 3]


@pytest.mark.parametrize("context", [1, "x", object()])
def test_context_that_is_none_is_reported_as_what_lacks_run(any_loop: Loop, context: Any) -> None:
    failures = Failures(any_loop)
    any_loop.call_soon(print, context=context)
    run_once(any_loop)
    (failure,) = failures.contexts
    assert type(failure["exception"]) is AttributeError
    assert str(failure["exception"]).endswith("has no attribute 'run'")


LIMITS: list[tuple[Any, Any]] = [
    *((number, None) for number in (2**63 - 1, 2**63, 2**64, 10**400, 1e300, True, Fraction(9, 2))),
    *((None, number) for number in (2**61, 2**63 - 1, 2**63, 10**400, 1e300, math.inf, 1.5)),
    *((number, None) for number in (-1, -(2**63), -(2**64), -1e308, math.nan, math.inf, -math.inf)),
    *((None, number) for number in (-1, -(2**63), -1e308, math.nan)),
    *((number, None) for number in ("x", b"x", 1j, [], object())),
    (2**64, 2**63),
    (1, 2**64),
    (math.inf, 1),
    (1, "x"),
]


@pytest.mark.parametrize(("high", "low"), LIMITS, ids=str)
def test_limits_of_any_size_are_taken_or_refused_as_numbers_are(high: Any, low: Any) -> None:
    def outcome(new_loop: Any) -> str:
        async def main(loop: Loop) -> str:
            async with plain_peer(loop, Recorder(loop)) as (transport, _):
                try:
                    transport.set_write_buffer_limits(high, low)
                except Exception as exc:
                    return f"{type(exc).__name__}: {exc}"
                return "taken"

        loop = new_loop()
        try:
            return run(loop, main(loop))
        finally:
            loop.close()

    assert outcome(cxxloop.Loop) == outcome(asyncio.SelectorEventLoop).replace("<object", "<object")


NO_DIMENSIONS = pytest.param(
    memoryview(b"x").cast("B", ()),
    id="no dimensions",
    marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="such a view has a length before"),
)


@pytest.mark.parametrize("data", [pytest.param(array.array("I", [1]), id="array"), NO_DIMENSIONS])
def test_odd_data_is_refused_with_its_own_type_in_the_text(any_loop: Loop, data: Any) -> None:
    async def main() -> None:
        async with plain_peer(any_loop, Recorder(any_loop)) as (transport, _):
            with pytest.raises(TypeError, match="not 'array'$|^0-dim memory has no length$"):
                transport.write(data)

    run(any_loop, main())


def test_failing_callback_that_cannot_be_shown_is_reported(loop: Loop) -> None:
    """With asyncio the failure of repr() ends the run, and hides the callback's."""

    class Callback:
        def __call__(self) -> None:
            raise ZeroDivisionError

        def __repr__(self) -> str:
            raise ArithmeticError

    failures = Failures(loop)
    loop.call_soon(Callback())
    run_once(loop)
    (context,) = failures.contexts
    assert "Callback" in context["message"]
    assert isinstance(context["exception"], ZeroDivisionError)


VARIABLE: contextvars.ContextVar[int] = contextvars.ContextVar("VARIABLE", default=0)


def test_variable_that_error_received_sets_is_seen_by_the_next_call(any_loop: Loop) -> None:
    seen: list[int] = []

    class Protocol(asyncio.DatagramProtocol):
        def error_received(self, exc: Exception) -> None:
            seen.append(VARIABLE.get())
            VARIABLE.set(VARIABLE.get() + 1)

    async def main() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as nobody:
            nobody.bind(("127.0.0.1", 0))
            address = nobody.getsockname()
        transport, _ = await any_loop.create_datagram_endpoint(Protocol, remote_addr=address)
        while len(seen) < 3:
            transport.sendto(b"refused")
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        transport.abort()
        await asyncio.sleep(0)

    run(any_loop, main())
    assert seen[:3] == [0, 1, 2]


def test_variable_that_eof_received_of_a_pipe_sets_is_its_own(any_loop: Loop) -> None:
    seen: list[int] = []
    lost = any_loop.create_future()

    class Protocol(asyncio.Protocol):
        def eof_received(self) -> None:
            VARIABLE.set(1)

        def connection_lost(self, exc: Exception | None) -> None:
            seen.append(VARIABLE.get())
            lost.set_result(None)

    async def main() -> None:
        read_end, write_end = os.pipe()
        with open(read_end, "rb", 0) as pipe:
            await any_loop.connect_read_pipe(Protocol, pipe)
            os.close(write_end)
            await lost

    run(any_loop, main())
    assert seen == [0]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_loop_cannot_be_pickled(loop: Loop, protocol: int) -> None:
    with pytest.raises(TypeError, match="^cannot pickle "):
        pickle.dumps(loop, protocol)
