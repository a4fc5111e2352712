"""Debug mode: what it checks, what it logs, and that it is as asyncio's."""

from __future__ import annotations

import asyncio
import gc
import logging
import re
import socket
import sys
import threading
import time
from typing import Any

import pytest

from tests.lifecycle.interpreters import FACTORIES, interpret, interpret_script
from tests.support.loops import LOOP_FACTORIES, Failures, run, run_once

Loop = asyncio.AbstractEventLoop


@pytest.mark.parametrize(
    ("options", "environment", "expected"),
    [
        ((), {}, False),
        ((), {"PYTHONASYNCIODEBUG": "1"}, True),
        ((), {"PYTHONASYNCIODEBUG": ""}, False),
        (("-Xdev",), {}, True),
        (("-E",), {"PYTHONASYNCIODEBUG": "1"}, False),
    ],
)
def test_debug_mode_is_taken_from_the_interpreter(
    options: tuple[str, ...], environment: dict[str, str], expected: bool
) -> None:
    for factory in FACTORIES.values():
        # With -E the path of the module has to come from elsewhere.
        code = f"loop = {factory}(); print(loop.get_debug()); loop.close()"
        if "-E" in options:
            code = f"import asyncio, sys; sys.path[:0] = {sys.path!r}; import cxxloop; {code}"
            ended = interpret(*options, "-c", code, environment=environment)
        else:
            ended = interpret_script(code, *options, environment=environment)
        assert ended == (0, f"{expected}\n", "")


def test_debug_mode_is_a_flag_of_the_loop(any_loop: Loop) -> None:
    assert any_loop.get_debug() is False
    any_loop.set_debug(True)
    assert any_loop.get_debug() is True
    any_loop.set_debug(False)
    assert any_loop.get_debug() is False


def test_repr_has_asyncios_shape(any_loop: Loop) -> None:
    name = type(any_loop).__name__.lstrip("_")
    assert repr(any_loop).lstrip("<_") == f"{name} running=False closed=False debug=False>"
    any_loop.set_debug(True)
    seen: list[str] = []
    any_loop.call_soon(lambda: seen.append(repr(any_loop)))
    run_once(any_loop)
    assert " running=True closed=False debug=True>" in seen[0]
    any_loop.close()
    assert " running=False closed=True debug=True>" in repr(any_loop)


def slow(seconds: float) -> None:
    time.sleep(seconds)


def test_slow_callback_is_logged_as_asyncio_does(
    any_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    any_loop.set_debug(True)
    any_loop.slow_callback_duration = 0.01  # type: ignore[attr-defined]
    with caplog.at_level(logging.WARNING, logger="asyncio"):
        handle = any_loop.call_soon(slow, 0.02)
        run_once(any_loop)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("asyncio", "WARNING")
    assert re.fullmatch(
        r"Executing <Handle slow\(0\.02\) at \S+test_debug\.py:\d+ "
        r"created at \S+test_debug\.py:\d+> took 0\.\d{3} seconds",
        record.getMessage(),
    )
    assert handle._source_traceback is not None  # type: ignore[attr-defined]


def test_slow_step_of_a_task_names_task_and_coroutine(
    any_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    """uvloop#103"""
    any_loop.set_debug(True)
    any_loop.slow_callback_duration = 0.01  # type: ignore[attr-defined]

    async def slow_coroutine() -> None:
        await asyncio.sleep(0)
        time.sleep(0.02)
        await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.create_task(slow_coroutine(), name="the slow one")

    with caplog.at_level(logging.WARNING, logger="asyncio"):
        run(any_loop, main())
    (record,) = caplog.records
    message = record.getMessage()
    assert re.match(r"Executing <Task pending name='the slow one' coro=<test_slow_step", message)
    assert re.search(r"slow_coroutine\(\) running at \S*test_debug\.py:\d+>", message)
    assert re.search(r"> took 0\.\d{3} seconds$", message)


def test_slow_timer_is_logged(any_loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    any_loop.set_debug(True)
    any_loop.slow_callback_duration = 0.01  # type: ignore[attr-defined]
    any_loop.call_later(0, slow, 0.02)
    with caplog.at_level(logging.WARNING, logger="asyncio"):
        any_loop.call_later(0.001, any_loop.stop)
        any_loop.run_forever()
    assert caplog.records[0].getMessage().startswith("Executing <TimerHandle when=")


def test_quick_callbacks_and_other_modes_log_nothing(
    any_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    assert any_loop.slow_callback_duration == 0.1  # type: ignore[attr-defined]
    any_loop.slow_callback_duration = 5.0  # type: ignore[attr-defined]
    with caplog.at_level(logging.WARNING, logger="asyncio"):
        any_loop.set_debug(True)
        any_loop.call_soon(slow, 0.005)
        run_once(any_loop)
        any_loop.set_debug(False)
        any_loop.slow_callback_duration = 0.001  # type: ignore[attr-defined]
        any_loop.call_soon(slow, 0.005)
        run_once(any_loop)
    assert caplog.records == []


def _message_in_thread(work: Any) -> list[str]:
    """What RuntimeError the work raises in another thread."""
    messages: list[str] = []

    def target() -> None:
        try:
            work()
        except RuntimeError as exc:
            messages.append(str(exc))

    thread = threading.Thread(target=target)
    thread.start()
    thread.join()
    return messages


def test_scheduling_from_another_thread_is_refused(any_loop: Loop) -> None:
    any_loop.set_debug(True)
    results: dict[str, list[str]] = {}

    def check() -> None:
        later = any_loop.time() + 3600
        for name, work in {
            "call_soon": lambda: any_loop.call_soon(print),
            "call_later": lambda: any_loop.call_later(3600, print),
            "call_at": lambda: any_loop.call_at(later, print),
            "call_soon_threadsafe": lambda: any_loop.call_soon_threadsafe(int),
        }.items():
            results[name] = _message_in_thread(work)

    any_loop.call_soon(check)
    run_once(any_loop)
    refused = ["Non-thread-safe operation invoked on an event loop other than the current one"]
    assert results == {
        "call_soon": refused,
        "call_later": refused,
        "call_at": refused,
        "call_soon_threadsafe": [],
    }


def test_scheduling_from_another_thread_is_allowed_while_the_loop_does_not_run(
    any_loop: Loop,
) -> None:
    any_loop.set_debug(True)
    ran: list[bool] = []
    assert _message_in_thread(lambda: any_loop.call_soon(ran.append, True)) == []
    run_once(any_loop)
    assert ran == [True]


def test_contexts_of_failures_have_the_place_of_scheduling(any_loop: Loop) -> None:
    any_loop.set_debug(True)
    failures = Failures(any_loop)

    def fail() -> None:
        raise ZeroDivisionError

    any_loop.call_soon(fail)
    run_once(any_loop)
    (context,) = failures.contexts
    assert set(context) == {"message", "exception", "handle", "source_traceback"}
    assert context["source_traceback"][-1].name == (
        "test_contexts_of_failures_have_the_place_of_scheduling"
    )


def test_default_handler_shows_the_place_of_scheduling(
    any_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    any_loop.set_debug(True)
    any_loop.slow_callback_duration = 60  # type: ignore[attr-defined]
    any_loop.call_soon(int, "no number")
    with caplog.at_level(logging.ERROR, logger="asyncio"):
        run_once(any_loop)
    (record,) = caplog.records
    assert "Object created at (most recent call last):\n" in record.getMessage()
    assert "in test_default_handler_shows_the_place_of_scheduling" in record.getMessage()


def test_origin_of_coroutines_is_tracked_while_the_loop_runs(any_loop: Loop) -> None:
    any_loop.set_debug(True)
    depths = []
    before = sys.get_coroutine_origin_tracking_depth()
    any_loop.call_soon(lambda: depths.append(sys.get_coroutine_origin_tracking_depth()))
    run_once(any_loop)
    assert depths == [10]
    assert sys.get_coroutine_origin_tracking_depth() == before


def test_origin_tracking_follows_the_mode_of_the_running_loop(any_loop: Loop) -> None:
    depths = []

    async def main() -> None:
        for enabled in (True, False, True):
            any_loop.set_debug(enabled)
            await asyncio.sleep(0.001)
            depths.append(sys.get_coroutine_origin_tracking_depth())

    run(any_loop, main())
    assert depths == [10, 0, 10]
    assert sys.get_coroutine_origin_tracking_depth() == 0


def test_origin_tracking_of_the_caller_is_restored(any_loop: Loop) -> None:
    sys.set_coroutine_origin_tracking_depth(3)
    try:
        any_loop.set_debug(True)
        run_once(any_loop)
        assert sys.get_coroutine_origin_tracking_depth() == 3
    finally:
        sys.set_coroutine_origin_tracking_depth(0)


async def coroutine_function() -> None: ...


def test_coroutines_are_no_callbacks_in_debug_mode(any_loop: Loop) -> None:
    any_loop.set_debug(True)
    coroutine = coroutine_function()
    for method, schedule in {
        "call_soon": any_loop.call_soon,
        "call_soon_threadsafe": any_loop.call_soon_threadsafe,
        "call_later": lambda callback: any_loop.call_later(1, callback),
        "call_at": lambda callback: any_loop.call_at(1, callback),
        "run_in_executor": lambda function: any_loop.run_in_executor(None, function),
    }.items():
        # call_later() is call_at() in asyncio, which is what the message says.
        named = {"call_later": "call_at"}.get(method, method)
        for wrong in (coroutine_function, coroutine):
            with pytest.raises(TypeError, match=rf"^coroutines cannot be used with {named}\(\)$"):
                schedule(wrong)  # type: ignore[arg-type]
        message = rf"^a callable object was expected by {named}\(\), got 42$"
        with pytest.raises(TypeError, match=message):
            schedule(42)  # type: ignore[arg-type]
    coroutine.close()


def test_lost_exceptions_name_the_place_of_creation(any_loop: Loop) -> None:
    any_loop.set_debug(True)
    failures = Failures(any_loop)

    async def main() -> None:
        future = any_loop.create_future()
        future.set_exception(ZeroDivisionError())
        del future
        gc.collect()

    run(any_loop, main())
    (context,) = failures.contexts
    assert context["message"] == "Future exception was never retrieved"
    assert "main" in [frame.name for frame in context["source_traceback"][-2:]]


def test_close_is_logged_in_debug_mode(caplog: pytest.LogCaptureFixture) -> None:
    logged = []
    for factory in LOOP_FACTORIES.values():
        caplog.clear()
        with caplog.at_level(logging.DEBUG, logger="asyncio"):
            loop = factory()
            loop.set_debug(True)
            loop.close()
        # As it was formatted then: the record itself refers to the loop, which is closed by now.
        logged.append(re.findall(r"Close <\w+ (.*)>", caplog.text))
    assert logged == [["running=False closed=False debug=True"]] * 2


def test_stopping_and_running_again_keeps_the_mode(any_loop: Loop) -> None:
    any_loop.set_debug(True)
    for _ in range(3):
        run_once(any_loop)
        assert any_loop.get_debug() is True


class ClosesAtOnce(asyncio.Protocol):
    def __init__(self, closed: asyncio.Event) -> None:
        self.closed = closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()


def test_new_connection_is_logged_with_its_server(
    any_loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> str:
        closed = asyncio.Event()
        server = await any_loop.create_server(lambda: ClosesAtOnce(closed), "127.0.0.1", 0)
        with socket.create_connection(server.sockets[0].getsockname()) as client:
            await closed.wait()
            start = f"{server!r} got a new connection from {client.getsockname()!r}: <socket.socket"
        server.close()
        await server.wait_closed()
        return start

    any_loop.set_debug(True)
    with caplog.at_level(logging.DEBUG, logger="asyncio"):
        start = run(any_loop, main())
    # The text as it was written: the server and the socket are closed by now.
    assert caplog.text.count("got a new connection") == 1
    assert start in caplog.text
