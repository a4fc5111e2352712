"""add_reader(), add_writer(), remove_reader(), remove_writer(): results, order, contexts."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import socket
from collections.abc import Callable
from typing import Any

import pytest

from tests.descriptors.watching import Pair, until
from tests.support.loops import Failures, run, run_once

Loop = asyncio.AbstractEventLoop


def test_adding_returns_nothing_and_removing_says_whether_there_was_one(
    any_loop: Loop, pair: Pair
) -> None:
    sock, _ = pair
    assert any_loop.remove_reader(sock) is False
    assert any_loop.remove_writer(sock) is False
    assert any_loop.add_reader(sock, print) is None  # type: ignore[func-returns-value]
    assert any_loop.add_writer(sock, print) is None  # type: ignore[func-returns-value]
    assert any_loop.remove_reader(sock) is True
    assert any_loop.remove_reader(sock) is False
    assert any_loop.remove_writer(sock) is True
    assert any_loop.remove_writer(sock) is False


def test_removing_the_reader_of_a_writer_alone_is_false(any_loop: Loop, pair: Pair) -> None:
    sock, _ = pair
    any_loop.add_writer(sock, print)
    assert any_loop.remove_reader(sock) is False
    assert any_loop.remove_writer(sock) is True
    any_loop.add_reader(sock, print)
    assert any_loop.remove_writer(sock) is False
    assert any_loop.remove_reader(sock) is True


def test_callback_gets_its_arguments(any_loop: Loop, pair: Pair) -> None:
    sock, peer = pair
    got: list[Any] = []
    any_loop.add_reader(sock, lambda *args: got.append(args), 1, "two", None)
    peer.send(b"x")
    until(any_loop, lambda: got)
    any_loop.remove_reader(sock)
    any_loop.add_writer(sock, lambda *args: got.append(args), [3])
    until(any_loop, lambda: ([3],) in got)
    any_loop.remove_writer(sock)
    assert got[0] == (1, "two", None)


def test_second_callback_replaces_the_first(any_loop: Loop, pair: Pair) -> None:
    sock, peer = pair
    calls: list[str] = []
    for add in (any_loop.add_reader, any_loop.add_writer):
        add(sock, calls.append, "first")
        add(sock, calls.append, "second")
    peer.send(b"x")
    until(any_loop, lambda: len(calls) >= 4)
    assert set(calls) == {"second"}
    assert any_loop.remove_reader(sock) and any_loop.remove_writer(sock)
    assert not any_loop.remove_reader(sock) and not any_loop.remove_writer(sock)


def test_callback_replaced_while_its_event_is_pending_is_not_called(
    any_loop: Loop, pair: Pair
) -> None:
    sock, peer = pair
    calls: list[str] = []
    other, other_peer = socket.socketpair()
    with other, other_peer:

        def replace(which: socket.socket, name: str) -> None:
            calls.append(name)
            any_loop.add_reader(sock, calls.append, "new a")
            any_loop.add_reader(other, calls.append, "new b")

        any_loop.add_reader(sock, replace, sock, "a")
        any_loop.add_reader(other, replace, other, "b")
        peer.send(b"x")
        other_peer.send(b"x")
        run_once(any_loop)
        until(any_loop, lambda: "new a" in calls and "new b" in calls)
        assert any_loop.remove_reader(sock) and any_loop.remove_reader(other)
    assert ("a" in calls) != ("b" in calls)


def test_closing_the_loop_leaves_the_descriptors_open(any_loop: Loop, pair: Pair) -> None:
    any_loop.add_reader(pair[0], print)
    any_loop.add_writer(pair[0], print)
    run_once(any_loop)
    any_loop.close()
    pair[0].send(b"x")
    assert pair[1].recv(1) == b"x"


def test_reader_and_writer_of_one_descriptor_are_independent(any_loop: Loop, pair: Pair) -> None:
    sock, peer = pair
    calls: list[str] = []
    any_loop.add_reader(sock, lambda: calls.append("read " + sock.recv(9).decode()))
    any_loop.add_writer(sock, calls.append, "write")
    until(any_loop, lambda: calls)
    assert set(calls) == {"write"}
    peer.send(b"x")
    until(any_loop, lambda: "read x" in calls)
    assert any_loop.remove_writer(sock)
    calls.clear()
    peer.send(b"y")
    until(any_loop, lambda: calls)
    assert calls == ["read y"]
    assert any_loop.remove_reader(sock)


def test_reader_is_called_before_the_writer_of_one_event(any_loop: Loop, pair: Pair) -> None:
    sock, peer = pair
    peer.send(b"x")
    calls: list[str] = []
    any_loop.add_writer(sock, calls.append, "write")
    any_loop.add_reader(sock, calls.append, "read")
    until(any_loop, lambda: len(calls) >= 4)
    any_loop.remove_reader(sock)
    any_loop.remove_writer(sock)
    assert calls[:4] == ["read", "write", "read", "write"]


def test_reader_is_called_again_while_something_is_left(any_loop: Loop, pair: Pair) -> None:
    sock, peer = pair
    got: list[bytes] = []
    any_loop.add_reader(sock, lambda: got.append(sock.recv(1)))
    peer.send(b"abc")
    until(any_loop, lambda: len(got) == 3)
    assert got == [b"a", b"b", b"c"]
    run_once(any_loop)
    assert len(got) == 3
    any_loop.remove_reader(sock)


def test_watcher_calls_at_most_once_in_a_turn(any_loop: Loop, pair: Pair) -> None:
    sock, peer = pair
    peer.send(b"x")
    calls: list[str] = []
    any_loop.add_reader(sock, calls.append, "read")
    run_once(any_loop)  # call_soon(stop) and the event are of the same turn.
    first = len(calls)
    assert first <= 1
    for turn in range(1, 4):
        run_once(any_loop)
        assert len(calls) == first + turn
    any_loop.remove_reader(sock)


def test_events_run_after_the_callbacks_that_were_scheduled_before(
    any_loop: Loop, pair: Pair
) -> None:
    sock, peer = pair
    calls: list[str] = []
    peer.send(b"x")
    any_loop.add_reader(sock, lambda: (calls.append("event"), any_loop.remove_reader(sock)))
    any_loop.call_soon(calls.append, "soon 1")
    any_loop.call_soon(lambda: any_loop.call_soon(calls.append, "nested"))
    any_loop.call_soon(calls.append, "soon 2")
    until(any_loop, lambda: "nested" in calls)
    assert calls == ["soon 1", "soon 2", "event", "nested"]


def test_event_and_expired_timer_of_one_turn_run_event_first(any_loop: Loop, pair: Pair) -> None:
    sock, peer = pair
    calls: list[str] = []
    peer.send(b"x")
    any_loop.call_later(0, calls.append, "timer")
    any_loop.add_reader(sock, lambda: (calls.append("event"), any_loop.remove_reader(sock)))
    until(any_loop, lambda: len(calls) == 2)
    assert calls == ["event", "timer"]


def test_callbacks_run_in_the_context_of_their_registration(any_loop: Loop, pair: Pair) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")
    sock, peer = pair
    seen: list[tuple[str, str]] = []

    def called(which: str) -> None:
        seen.append((which, variable.get()))
        variable.set("changed by " + which)

    def register(add: Callable[..., None], which: str) -> None:
        variable.set("context of " + which)
        add(sock, called, which)

    peer.send(b"x")
    contextvars.copy_context().run(register, any_loop.add_reader, "reader")
    contextvars.copy_context().run(register, any_loop.add_writer, "writer")
    until(any_loop, lambda: len(seen) >= 4)
    any_loop.remove_reader(sock)
    any_loop.remove_writer(sock)
    assert seen[:2] == [("reader", "context of reader"), ("writer", "context of writer")]
    assert seen[2:4] == [("reader", "changed by reader"), ("writer", "changed by writer")]
    assert variable.get() == "outside"


def test_exception_goes_to_the_handler_and_the_watcher_stays(any_loop: Loop, pair: Pair) -> None:
    sock, peer = pair
    failures = Failures(any_loop)

    def fail() -> None:
        raise ZeroDivisionError

    peer.send(b"x")
    any_loop.add_reader(sock, fail)
    any_loop.add_writer(sock, fail)
    until(any_loop, lambda: len(failures.contexts) >= 4)
    assert any_loop.remove_reader(sock) and any_loop.remove_writer(sock)
    for context in failures.contexts:
        assert context["message"].startswith("Exception in callback ")
        assert "fail" in context["message"]
        assert type(context["exception"]) is ZeroDivisionError
        assert isinstance(context["handle"], asyncio.Handle)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_exit_from_a_callback_leaves_the_loop(
    any_loop: Loop, pair: Pair, kind: type[BaseException]
) -> None:
    sock, peer = pair
    peer.send(b"x")

    def leave() -> None:
        sock.recv(1)
        raise kind

    any_loop.add_reader(sock, leave)
    with pytest.raises(kind):
        any_loop.run_forever()
    got: list[bytes] = []
    any_loop.add_reader(sock, lambda: got.append(sock.recv(1)))
    peer.send(b"y")
    until(any_loop, lambda: got)
    any_loop.remove_reader(sock)


def test_loop_in_debug_mode_watches_as_well(any_loop: Loop, pair: Pair) -> None:
    any_loop.set_debug(True)
    sock, peer = pair

    async def main() -> bytes:
        got = any_loop.create_future()
        any_loop.add_reader(sock, lambda: got.set_result(sock.recv(9)))
        with contextlib.closing(peer):
            peer.send(b"debug")
            data: bytes = await got
        any_loop.remove_reader(sock)
        return data

    assert run(any_loop, main()) == b"debug"
