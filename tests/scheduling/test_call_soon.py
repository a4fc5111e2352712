"""call_soon(): order, turns and arguments."""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import pytest

import cxxloop
from tests.support.loops import Failures, run_once

Loop = asyncio.AbstractEventLoop


def test_callbacks_run_in_the_order_of_their_scheduling(any_loop: Loop) -> None:
    ran: list[int] = []
    for number in range(1000):
        any_loop.call_soon(ran.append, number)
    run_once(any_loop)
    assert ran == list(range(1000))


@pytest.mark.parametrize("count", range(8))
def test_callback_gets_every_argument(any_loop: Loop, count: int) -> None:
    got: list[tuple[Any, ...]] = []
    arguments = tuple(object() for _ in range(count))
    any_loop.call_soon(lambda *args: got.append(args), *arguments)
    run_once(any_loop)
    assert got == [arguments]


def test_callback_can_be_given_by_keyword(any_loop: Loop) -> None:
    ran: list[bool] = []
    any_loop.call_soon(callback=lambda: ran.append(True))  # type: ignore[call-arg]
    any_loop.call_later(delay=0, callback=lambda: ran.append(True))  # type: ignore[call-arg]
    any_loop.call_later(0.001, any_loop.stop)
    any_loop.run_forever()
    assert ran == [True, True]


def test_unknown_keyword_is_refused(any_loop: Loop) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        any_loop.call_soon(print, colour="red")  # type: ignore[call-arg]


def test_missing_callback_is_refused(any_loop: Loop) -> None:
    for method in (any_loop.call_soon, any_loop.call_soon_threadsafe):
        with pytest.raises(TypeError, match="missing 1 required positional argument: 'callback'"):
            method()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="missing"):
        any_loop.call_later(1)  # type: ignore[call-arg]


def test_callback_scheduled_by_a_callback_runs_in_the_next_turn(any_loop: Loop) -> None:
    ran: list[str] = []

    def first() -> None:
        any_loop.call_soon(ran.append, "nested")
        ran.append("first")

    any_loop.call_soon(first)
    any_loop.call_soon(ran.append, "second")
    run_once(any_loop)
    assert ran == ["first", "second"]
    run_once(any_loop)
    assert ran == ["first", "second", "nested"]


def test_stop_lets_the_turn_end_and_leaves_the_rest_for_the_next_run(any_loop: Loop) -> None:
    """uvloop#517"""
    ran: list[str] = []

    def stop_and_schedule() -> None:
        any_loop.stop()
        any_loop.call_soon(ran.append, "later")

    any_loop.call_soon(stop_and_schedule)
    any_loop.call_soon(ran.append, "same turn")
    any_loop.run_forever()
    assert ran == ["same turn"]
    run_once(any_loop)
    assert ran == ["same turn", "later"]


def test_stop_before_the_run_gives_exactly_one_turn(any_loop: Loop) -> None:
    ran: list[str] = []
    any_loop.call_soon(ran.append, "ready")
    any_loop.call_soon(any_loop.call_soon, ran.append, "next turn")
    any_loop.stop()
    any_loop.run_forever()
    assert ran == ["ready"]


def test_cancelled_callback_does_not_run(any_loop: Loop) -> None:
    ran: list[int] = []
    handles = [any_loop.call_soon(ran.append, number) for number in range(4)]
    handles[1].cancel()
    any_loop.call_soon(handles[3].cancel)  # Too late: it has run by then.
    run_once(any_loop)
    assert ran == [0, 2, 3]


def test_callback_cancelled_by_an_earlier_one_of_the_turn_does_not_run(any_loop: Loop) -> None:
    ran: list[str] = []
    handles: list[asyncio.Handle] = []
    any_loop.call_soon(lambda: handles[0].cancel())
    handles.append(any_loop.call_soon(ran.append, "cancelled"))
    run_once(any_loop)
    assert ran == []


def test_callback_that_cancels_itself_keeps_its_arguments_until_it_returns(any_loop: Loop) -> None:
    seen: list[object] = []
    handles: list[asyncio.Handle] = []

    class Argument:
        pass

    def callback(argument: object) -> None:
        handles.pop().cancel()
        seen.append(argument.__class__)

    handles.append(any_loop.call_soon(callback, Argument()))
    run_once(any_loop)
    assert seen == [Argument]


@pytest.mark.parametrize(
    "make",
    [
        lambda ran: ran.append,
        lambda ran: functools.partial(ran.append),
        lambda ran: lambda value: ran.append(value),
        lambda ran: type("Callable", (), {"__call__": lambda self, value: ran.append(value)})(),
    ],
    ids=["builtin", "partial", "function", "object"],
)
def test_every_kind_of_callable_is_called(any_loop: Loop, make: Any) -> None:
    ran: list[int] = []
    any_loop.call_soon(make(ran), 7)
    run_once(any_loop)
    assert ran == [7]


def test_closed_loop_refuses_callbacks(any_loop: Loop) -> None:
    any_loop.close()
    for schedule in (
        lambda: any_loop.call_soon(print),
        lambda: any_loop.call_soon_threadsafe(print),
        lambda: any_loop.call_later(1, print),
        lambda: any_loop.call_at(1, print),
        lambda: any_loop.run_forever(),
    ):
        with pytest.raises(RuntimeError, match="^Event loop is closed$"):
            schedule()


def test_object_that_is_not_callable_fails_when_it_is_run(any_loop: Loop) -> None:
    failures = Failures(any_loop)
    any_loop.call_soon(42)  # type: ignore[arg-type]
    run_once(any_loop)
    assert isinstance(failures.contexts[0]["exception"], TypeError)


def test_many_turns_with_pending_callbacks_still_see_descriptors(loop: cxxloop.Loop) -> None:
    """A loop that never runs dry must not put off its descriptors for long."""
    import socket

    ours, theirs = socket.socketpair()
    with ours, theirs:
        turns = 0

        def spin() -> None:
            nonlocal turns
            turns += 1
            if turns < 1_000_000:
                loop.call_soon(spin)

        loop.add_reader(ours, loop.stop)
        loop.call_soon(spin)
        theirs.send(b"x")
        loop.run_forever()
        loop.remove_reader(ours)
    assert turns < 10_000
