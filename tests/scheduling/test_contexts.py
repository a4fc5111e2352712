"""Context variables: every callback runs in a context of its own."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import weakref
from typing import Any

import pytest

import cxxloop
from tests.support.loops import run, run_once

Loop = asyncio.AbstractEventLoop

variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable", default="default")


def test_callback_sees_the_values_of_its_scheduling(any_loop: Loop) -> None:
    seen: list[Any] = []

    def schedule(value: str) -> None:
        variable.set(value)
        any_loop.call_soon(lambda: seen.append(variable.get()))

    for value in ("one", "two", "one"):
        contextvars.copy_context().run(schedule, value)
    any_loop.call_soon(lambda: seen.append(variable.get()))
    run_once(any_loop)
    assert seen == ["one", "two", "one", "default"]


def test_what_a_callback_sets_is_not_seen_by_the_next(any_loop: Loop) -> None:
    seen: list[Any] = []

    def change(value: int) -> None:
        seen.append(variable.get())
        variable.set(value)

    for value in range(5):
        any_loop.call_soon(change, value)
    run_once(any_loop)
    assert seen == ["default"] * 5
    assert variable.get() == "default"


def test_nested_scheduling_inherits_what_the_callback_set(any_loop: Loop) -> None:
    seen: list[Any] = []

    def outer() -> None:
        variable.set("outer")
        any_loop.call_soon(lambda: seen.append(variable.get()))
        variable.set("after")

    any_loop.call_soon(outer)
    any_loop.call_soon(lambda: seen.append(variable.get()))
    run_once(any_loop)
    run_once(any_loop)
    assert seen == ["default", "outer"]


def test_token_of_a_callback_resets_in_its_own_context_only(any_loop: Loop) -> None:
    tokens: list[contextvars.Token[Any]] = []
    errors: list[type] = []

    def take() -> None:
        tokens.append(variable.set("taken"))

    def reset_elsewhere() -> None:
        try:
            variable.reset(tokens[0])
        except ValueError as exc:
            errors.append(type(exc))

    def set_and_reset() -> None:
        token = variable.set("briefly")
        variable.reset(token)
        errors.append(variable.get())

    any_loop.call_soon(take)
    any_loop.call_soon(reset_elsewhere)
    any_loop.call_soon(set_and_reset)
    run_once(any_loop)
    assert errors == [ValueError, "default"]


def test_explicit_context_keeps_what_callbacks_set(any_loop: Loop) -> None:
    context = contextvars.copy_context()
    seen: list[Any] = []
    any_loop.call_soon(variable.set, "kept", context=context)
    any_loop.call_soon(lambda: seen.append(variable.get()), context=context)
    any_loop.call_soon(lambda: seen.append(variable.get()))
    any_loop.call_later(0, lambda: seen.append(variable.get()), context=context)
    any_loop.call_soon_threadsafe(lambda: seen.append(variable.get()), context=context)
    run_once(any_loop)
    assert sorted(seen) == ["default", "kept", "kept", "kept"]
    assert context[variable] == "kept"


def test_context_none_means_the_current_one(any_loop: Loop) -> None:
    seen: list[Any] = []
    token = variable.set("current")
    any_loop.call_soon(lambda: seen.append(variable.get()), context=None)
    variable.reset(token)
    run_once(any_loop)
    assert seen == ["current"]


def test_copy_taken_in_a_callback_is_independent(any_loop: Loop) -> None:
    copies: list[contextvars.Context] = []

    def first() -> None:
        variable.set(1)
        copies.append(contextvars.copy_context())
        variable.set(2)

    any_loop.call_soon(first)
    any_loop.call_soon(lambda: copies.append(contextvars.copy_context()))
    run_once(any_loop)
    assert copies[0][variable] == 1
    assert variable not in copies[1]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Handle.get_context() is new in 3.12")
def test_kept_handle_shows_what_its_callback_set(any_loop: Loop) -> None:
    kept = any_loop.call_soon(variable.set, "by the callback")
    other = any_loop.call_soon(lambda: None)
    assert variable not in kept.get_context()  # type: ignore[attr-defined]
    run_once(any_loop)
    assert kept.get_context()[variable] == "by the callback"  # type: ignore[attr-defined]
    assert variable not in other.get_context()  # type: ignore[attr-defined]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Handle.get_context() is new in 3.12")
def test_handles_have_contexts_of_their_own(any_loop: Loop) -> None:
    first, second = any_loop.call_soon(print), any_loop.call_soon(print)
    assert first.get_context() is not second.get_context()  # type: ignore[attr-defined]
    assert first.get_context() is first.get_context()  # type: ignore[attr-defined]
    first.get_context().run(variable.set, "mine")  # type: ignore[attr-defined]
    assert variable not in second.get_context()  # type: ignore[attr-defined]
    first.cancel(), second.cancel()


def test_context_already_entered_is_reported(
    any_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    context = contextvars.copy_context()

    def inside() -> None:
        any_loop.call_soon(print, context=context)
        run_once(any_loop)

    context.run(inside)
    assert "cannot enter context" in caplog.text


def test_values_of_past_callbacks_are_released_when_the_loop_sleeps(loop: cxxloop.Loop) -> None:
    class Value:
        pass

    def use() -> weakref.ref[Value]:
        value = Value()
        variable.set(value)
        loop.call_soon(lambda: None)
        return weakref.ref(value)

    gone = contextvars.copy_context().run(use)
    loop.call_later(0.01, loop.stop)
    loop.run_forever()
    gc.collect()
    assert gone() is None


def test_tasks_do_not_share_values(any_loop: Loop) -> None:
    async def one(number: int) -> bool:
        variable.set(number)
        for _ in range(10):
            await asyncio.sleep(0)
            if variable.get() != number:
                return False
        return True

    async def main() -> list[bool]:
        return await asyncio.gather(*[one(number) for number in range(50)])

    assert all(run(any_loop, main()))
