"""Handlers and wake-up descriptors that are not of the loop, and what close() leaves."""

from __future__ import annotations

import asyncio
import signal
import socket
from typing import Any

import pytest

from tests.descriptors.signalling import USED, send, send_when_it_runs, until, wakeup_fd
from tests.support.loops import Failures, run, run_once

Loop = asyncio.AbstractEventLoop
pytestmark = pytest.mark.usefixtures("handlers_as_before")


def test_close_removes_all_handlers(any_loop: Loop) -> None:
    """uvloop#296"""
    for sig in USED:
        any_loop.add_signal_handler(sig, print)
    run_once(any_loop)
    assert wakeup_fd() != -1
    any_loop.close()
    assert [signal.getsignal(sig) for sig in USED] == [
        signal.default_int_handler if sig == signal.SIGINT else signal.SIG_DFL for sig in USED
    ]
    assert wakeup_fd() == -1


def test_wakeup_descriptor_is_free_after_the_last_handler(any_loop: Loop) -> None:
    """uvloop#296"""
    any_loop.add_signal_handler(signal.SIGUSR1, print)
    any_loop.add_signal_handler(signal.SIGUSR2, print)
    any_loop.remove_signal_handler(signal.SIGUSR1)
    assert wakeup_fd() != -1
    any_loop.remove_signal_handler(signal.SIGUSR2)
    assert wakeup_fd() == -1


def test_wakeup_descriptor_of_somebody_else_survives_a_run_and_close(any_loop: Loop) -> None:
    """uvloop#296"""
    first, second = socket.socketpair()
    with first, second:
        first.setblocking(False)
        second.setblocking(False)
        signal.set_wakeup_fd(second.fileno())
        run_once(any_loop)
        assert wakeup_fd() == second.fileno()
        any_loop.close()
        assert wakeup_fd() == second.fileno()
        signal.set_wakeup_fd(-1)


def test_wakeup_descriptor_of_somebody_else_gets_signals_during_a_run(any_loop: Loop) -> None:
    """uvloop#296"""
    first, second = socket.socketpair()
    with first, second:
        first.setblocking(False)
        second.setblocking(False)
        signal.signal(signal.SIGUSR1, lambda *args: None)
        signal.set_wakeup_fd(second.fileno())

        async def main() -> bytes:
            send()
            return await any_loop.sock_recv(first, 9)

        assert run(any_loop, main()) == bytes([signal.SIGUSR1])
        signal.set_wakeup_fd(-1)


class InterruptedByTestError(Exception):
    """What a plain handler raises."""


def interrupting(number: int, frame: Any) -> None:
    raise InterruptedByTestError(number)


def test_plain_handler_that_raises_leaves_an_idle_run(any_loop: Loop) -> None:
    """uvloop#94"""
    signal.signal(signal.SIGUSR1, interrupting)
    for _ in range(3):
        thread = send_when_it_runs(any_loop)
        with pytest.raises(InterruptedByTestError) as info:
            any_loop.run_until_complete(asyncio.sleep(10))
        thread.join()
        assert info.value.args == (signal.SIGUSR1,)
        for task in asyncio.all_tasks(any_loop):
            task.cancel()
        run_once(any_loop)
    assert any_loop.run_until_complete(asyncio.sleep(0, "works")) == "works"


def test_plain_handler_that_raises_in_a_callback_makes_the_callback_fail(any_loop: Loop) -> None:
    signal.signal(signal.SIGUSR1, interrupting)
    failures = Failures(any_loop)
    any_loop.call_soon(send)
    until(any_loop, lambda: failures.contexts)
    assert type(failures.contexts[0]["exception"]) is InterruptedByTestError


def test_plain_handler_runs_while_the_loop_is_idle(any_loop: Loop) -> None:
    """uvloop#94"""
    calls: list[int] = []
    future = any_loop.create_future()

    def handler(number: int, frame: Any) -> None:
        calls.append(number)
        any_loop.call_soon_threadsafe(future.set_result, "handled")

    signal.signal(signal.SIGUSR1, handler)
    thread = send_when_it_runs(any_loop)

    async def main() -> str:
        result: str = await future
        return result

    assert run(any_loop, main(), 5) == "handled"
    thread.join()
    assert calls == [signal.SIGUSR1]


def test_plain_handler_and_handler_of_the_loop_for_different_signals(any_loop: Loop) -> None:
    calls: list[str] = []
    signal.signal(signal.SIGUSR1, lambda *args: calls.append("plain"))
    any_loop.add_signal_handler(signal.SIGUSR2, calls.append, "loop")
    send(signal.SIGUSR2)
    send(signal.SIGUSR1)
    until(any_loop, lambda: len(calls) == 2)
    assert sorted(calls) == ["loop", "plain"]
