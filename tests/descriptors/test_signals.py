"""add_signal_handler() and remove_signal_handler()."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import threading
import time
from typing import Any

import pytest

import cxxloop
from tests.descriptors.signalling import send, send_when_it_runs, until, wakeup_fd
from tests.support.loops import Failures, run_once

Loop = asyncio.AbstractEventLoop
pytestmark = pytest.mark.usefixtures("handlers_as_before")


def test_handler_gets_its_arguments_in_the_thread_of_the_loop(any_loop: Loop) -> None:
    calls: list[Any] = []

    def called(*args: Any) -> None:
        calls.append((args, asyncio.get_running_loop() is any_loop, threading.current_thread()))
        any_loop.stop()

    added: Any = any_loop.add_signal_handler(signal.SIGUSR1, called, 1, "two", None)
    assert added is None
    any_loop.call_soon(send)
    any_loop.run_forever()
    assert calls == [((1, "two", None), True, threading.main_thread())]


def test_signal_of_a_loop_that_does_not_run_is_handled_in_its_next_run(any_loop: Loop) -> None:
    calls: list[str] = []
    any_loop.add_signal_handler(signal.SIGUSR1, calls.append, "called")
    send()
    assert calls == []
    until(any_loop, lambda: calls)
    assert calls == ["called"]


def test_handler_runs_in_the_context_of_its_registration(any_loop: Loop) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")
    seen: list[str] = []

    def register() -> None:
        variable.set("of the registration")
        any_loop.add_signal_handler(signal.SIGUSR1, lambda: seen.append(variable.get()))

    contextvars.copy_context().run(register)
    send()
    until(any_loop, lambda: seen)
    assert seen == ["of the registration"]


def test_second_handler_replaces_the_first(any_loop: Loop) -> None:
    calls: list[str] = []
    any_loop.add_signal_handler(signal.SIGUSR1, calls.append, "first")
    any_loop.add_signal_handler(signal.SIGUSR1, calls.append, "second")
    send()
    until(any_loop, lambda: calls)
    assert calls == ["second"]
    assert any_loop.remove_signal_handler(signal.SIGUSR1) is True
    assert any_loop.remove_signal_handler(signal.SIGUSR1) is False


def test_removing_restores_the_default(any_loop: Loop) -> None:
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    for sig, default in (
        (signal.SIGUSR1, signal.SIG_DFL),
        (signal.SIGINT, signal.default_int_handler),
    ):
        any_loop.add_signal_handler(sig, print)
        assert signal.getsignal(sig) not in (default, signal.SIG_IGN)
        assert any_loop.remove_signal_handler(sig) is True
        assert signal.getsignal(sig) == default


def test_removing_what_was_never_added_is_false(any_loop: Loop) -> None:
    def handler(*args: Any) -> None: ...

    signal.signal(signal.SIGUSR1, handler)
    assert any_loop.remove_signal_handler(signal.SIGUSR1) is False
    assert signal.getsignal(signal.SIGUSR1) is handler


def test_removed_handler_is_not_called_for_a_later_signal(any_loop: Loop) -> None:
    calls: list[str] = []
    any_loop.add_signal_handler(signal.SIGUSR1, calls.append, "removed")
    any_loop.add_signal_handler(signal.SIGUSR2, calls.append, "kept")
    any_loop.remove_signal_handler(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    send(signal.SIGUSR1)
    send(signal.SIGUSR2)
    until(any_loop, lambda: calls)
    assert calls == ["kept"]


def test_handler_removed_before_its_signal_was_read_is_not_called(any_loop: Loop) -> None:
    calls: list[str] = []
    any_loop.add_signal_handler(signal.SIGUSR1, calls.append, "called")
    send()
    any_loop.remove_signal_handler(signal.SIGUSR1)
    for _ in range(3):
        run_once(any_loop)
    assert calls == []


def test_handler_may_remove_itself(any_loop: Loop) -> None:
    results: list[bool] = []
    any_loop.add_signal_handler(
        signal.SIGUSR1, lambda: results.append(any_loop.remove_signal_handler(signal.SIGUSR1))
    )
    send()
    until(any_loop, lambda: results)
    assert results == [True]
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


@pytest.mark.parametrize(
    ("sig", "kind", "message"),
    [
        (signal.SIGKILL, RuntimeError, "^sig 9 cannot be caught$"),
        (signal.SIGSTOP, RuntimeError, "^sig 19 cannot be caught$"),
        (0, ValueError, "^invalid signal number 0$"),
        (-1, ValueError, "^invalid signal number -1$"),
        (1000, ValueError, "^invalid signal number 1000$"),
        (32, ValueError, "^invalid signal number 32$"),
        ("SIGUSR1", TypeError, "^sig must be an int, not 'SIGUSR1'$"),
        (None, TypeError, "^sig must be an int, not None$"),
        (10.0, TypeError, "^sig must be an int, not 10.0$"),
    ],
)
def test_wrong_signals_are_refused(
    any_loop: Loop, sig: Any, kind: type[Exception], message: str
) -> None:
    if kind is RuntimeError:
        message = message.replace("sig 9", f"sig ({sig}|9)").replace("sig 19", f"sig ({sig}|19)")
    with pytest.raises(kind, match=message) as info:
        any_loop.add_signal_handler(sig, print)
    assert type(info.value) is kind
    if kind is not RuntimeError:
        with pytest.raises(kind, match=message):
            any_loop.remove_signal_handler(sig)
    else:
        assert any_loop.remove_signal_handler(sig) is False
    assert wakeup_fd() == -1


def test_coroutine_function_is_refused(any_loop: Loop) -> None:
    async def handler() -> None: ...

    made = handler()
    for callback in (handler, made):
        with pytest.raises(
            TypeError, match="^coroutines cannot be used with add_signal_handler\\(\\)$"
        ):
            any_loop.add_signal_handler(signal.SIGUSR1, callback)  # type: ignore[arg-type]
    made.close()
    assert any_loop.remove_signal_handler(signal.SIGUSR1) is False


def test_other_thread_is_refused(any_loop: Loop) -> None:
    outcomes: list[BaseException] = []

    def work() -> None:
        try:
            any_loop.add_signal_handler(signal.SIGUSR1, print)
        except BaseException as exc:
            outcomes.append(exc)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    (error,) = outcomes
    assert type(error) is RuntimeError
    assert str(error) == "set_wakeup_fd only works in main thread of the main interpreter"
    assert any_loop.remove_signal_handler(signal.SIGUSR1) is False


def test_closed_loop_refuses(any_loop: Loop) -> None:
    any_loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        any_loop.add_signal_handler(signal.SIGUSR1, print)
    assert any_loop.remove_signal_handler(signal.SIGUSR1) is False
    assert wakeup_fd() == -1


def test_signal_wakes_an_idle_loop_at_once(any_loop: Loop) -> None:
    any_loop.add_signal_handler(signal.SIGUSR1, any_loop.stop)
    thread = send_when_it_runs(any_loop)
    timer = any_loop.call_later(10, any_loop.stop)
    started = time.monotonic()
    any_loop.run_forever()
    thread.join()
    timer.cancel()
    assert time.monotonic() - started < 5


def test_many_signals_are_all_handled_in_their_order(any_loop: Loop) -> None:
    calls: list[int] = []
    sent: list[int] = []
    for sig in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
        any_loop.add_signal_handler(sig, calls.append, sig)
    for number in range(100):
        sig = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)[number * 7 % 3]
        sent.append(sig)
        send(sig)
    until(any_loop, lambda: len(calls) >= 100)
    assert calls == sent


def test_more_signals_than_asyncio_has_room_for_are_all_handled(
    loop: cxxloop.Loop, capfd: pytest.CaptureFixture[str]
) -> None:
    """asyncio's socket holds some 280, and it loses the rest."""
    count = 0

    def called() -> None:
        nonlocal count
        count += 1

    loop.add_signal_handler(signal.SIGUSR1, called)
    for _ in range(500):
        send()
    until(loop, lambda: count == 500)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("debug", [True, False])
def test_exception_of_a_handler_goes_to_the_exception_handler(any_loop: Loop, debug: bool) -> None:
    any_loop.set_debug(debug)
    failures = Failures(any_loop)

    def fail() -> None:
        raise ZeroDivisionError

    any_loop.add_signal_handler(signal.SIGUSR1, fail)
    for number in (1, 2):
        send()
        until(any_loop, lambda number=number: len(failures.contexts) == number)
    context = failures.contexts[0]
    assert context["message"].startswith("Exception in callback ")
    assert type(context["exception"]) is ZeroDivisionError
    assert isinstance(context["handle"], asyncio.Handle)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_exit_from_a_handler_leaves_the_run(any_loop: Loop, kind: type[BaseException]) -> None:
    def leave() -> None:
        raise kind

    any_loop.add_signal_handler(signal.SIGUSR1, leave)
    any_loop.call_soon(send)
    with pytest.raises(kind):
        any_loop.run_forever()
    assert any_loop.run_until_complete(asyncio.sleep(0, "works")) == "works"


def test_two_children_are_told_to_the_handler_of_sigchld(any_loop: Loop) -> None:
    ended: dict[int, int] = {}
    calls: list[str] = []

    def called() -> None:
        calls.append("called")
        while len(ended) < 2:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            ended[pid] = os.waitstatus_to_exitcode(status)
        any_loop.stop()

    any_loop.add_signal_handler(signal.SIGCHLD, called)
    pids = [
        os.posix_spawn("/bin/sh", ["sh", "-c", f"exit {number}"], os.environ) for number in (3, 4)
    ]
    any_loop.call_later(10, any_loop.stop)
    any_loop.run_forever()
    assert ended == dict(zip(pids, (3, 4), strict=True))
    assert calls
