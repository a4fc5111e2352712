"""Exceptions of callbacks: reported, or out of run_forever()."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from tests.support.loops import Failures, run, run_once

Loop = asyncio.AbstractEventLoop


def fail() -> None:
    raise ZeroDivisionError("division of nothing")


def test_failing_callback_is_reported_and_the_rest_runs(any_loop: Loop) -> None:
    failures = Failures(any_loop)
    ran: list[bool] = []
    handle = any_loop.call_soon(fail)
    any_loop.call_soon(ran.append, True)
    run_once(any_loop)
    (context,) = failures.contexts
    assert ran == [True]
    assert context["message"].startswith("Exception in callback fail() at ")
    assert isinstance(context["exception"], ZeroDivisionError)
    assert context["handle"] is handle
    assert set(context) == {"message", "exception", "handle"}


def test_default_handler_logs_as_asyncio(any_loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="asyncio"):
        any_loop.call_soon(fail)
        run_once(any_loop)
    (record,) = caplog.records
    assert record.name == "asyncio"
    first, second = record.getMessage().split("\n")
    assert first.startswith("Exception in callback fail() at ")
    assert second.startswith("handle: <Handle fail() at ")
    assert record.exc_info is not None and record.exc_info[0] is ZeroDivisionError


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_exits_leave_the_run_and_the_rest_waits_for_the_next(any_loop: Loop, kind: type) -> None:
    ran: list[str] = []

    def leave() -> None:
        raise kind("now")

    any_loop.call_soon(ran.append, "before")
    any_loop.call_soon(leave)
    any_loop.call_soon(ran.append, "after")
    with pytest.raises(kind, match="now"):
        any_loop.run_forever()
    assert ran == ["before"]
    assert not any_loop.is_running()
    run_once(any_loop)
    assert ran == ["before", "after"]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_exits_of_timers_and_tasks_leave_the_run(any_loop: Loop, kind: type) -> None:
    def leave() -> None:
        raise kind

    async def task() -> None:
        await asyncio.sleep(0)
        raise kind

    any_loop.call_later(0.001, leave)
    with pytest.raises(kind):
        any_loop.run_forever()
    with pytest.raises(kind):
        any_loop.run_until_complete(task())
    assert any_loop.run_until_complete(asyncio.sleep(0, "works")) == "works"


def test_other_base_exceptions_are_reported(any_loop: Loop) -> None:
    class Odd(BaseException):
        pass

    def raise_odd() -> None:
        raise Odd

    failures = Failures(any_loop)
    any_loop.call_soon(raise_odd)
    run_once(any_loop)
    assert isinstance(failures.contexts[0]["exception"], Odd)


def test_exits_of_the_exception_handler_leave_the_run(any_loop: Loop) -> None:
    def handler(loop: Loop, context: dict[str, Any]) -> None:
        raise KeyboardInterrupt

    any_loop.set_exception_handler(handler)
    any_loop.call_soon(fail)
    with pytest.raises(KeyboardInterrupt):
        any_loop.run_forever()


def test_failing_exception_handler_is_logged(
    any_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    def handler(loop: Loop, context: dict[str, Any]) -> None:
        raise ValueError("handler")

    any_loop.set_exception_handler(handler)
    with caplog.at_level(logging.ERROR, logger="asyncio"):
        any_loop.call_soon(fail)
        run_once(any_loop)
    assert caplog.records[0].getMessage().startswith("Unhandled error in exception handler")


def test_handler_must_be_callable_or_none(any_loop: Loop) -> None:
    with pytest.raises(TypeError, match="^A callable object or None is expected, got 'text'$"):
        any_loop.set_exception_handler("text")  # type: ignore[arg-type]
    any_loop.set_exception_handler(None)
    assert any_loop.get_exception_handler() is None


def test_exception_handler_gets_the_loop_and_the_context(any_loop: Loop) -> None:
    got: list[Any] = []
    any_loop.set_exception_handler(lambda *args: got.append(args))
    any_loop.call_exception_handler({"message": "hello"})
    assert got == [(any_loop, {"message": "hello"})]


def test_exception_of_a_lost_task_is_reported_with_its_future(any_loop: Loop) -> None:
    failures = Failures(any_loop)

    async def broken() -> None:
        raise KeyError("lost")

    async def main() -> None:
        task = asyncio.ensure_future(broken())
        await asyncio.sleep(0)
        del task

    run(any_loop, main())
    assert failures.messages == ["Task exception was never retrieved"]
