"""Watchers that are removed, replaced or closed while their events are under way."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import weakref
from typing import Any

import pytest

from tests.descriptors.watching import Pair, make_pair, until
from tests.support.loops import LOOP_FACTORIES, run_once

Loop = asyncio.AbstractEventLoop


def test_reader_removed_in_its_own_callback_is_not_called_again(any_loop: Loop, pair: Pair) -> None:
    calls: list[bool] = []
    any_loop.add_reader(pair[0], lambda: calls.append(any_loop.remove_reader(pair[0])))
    pair[1].send(b"x")
    until(any_loop, lambda: calls)
    for _ in range(5):
        run_once(any_loop)
    assert calls == [True]


def test_writer_removed_in_its_own_callback_is_not_called_again(any_loop: Loop, pair: Pair) -> None:
    calls: list[bool] = []
    any_loop.add_writer(pair[0], lambda: calls.append(any_loop.remove_writer(pair[0])))
    until(any_loop, lambda: calls)
    for _ in range(5):
        run_once(any_loop)
    assert calls == [True]


def test_writer_removed_by_the_reader_of_the_same_event_is_not_called(
    any_loop: Loop, pair: Pair
) -> None:
    calls: list[str] = []

    def read() -> None:
        calls.append("read")
        any_loop.remove_reader(pair[0])
        any_loop.remove_writer(pair[0])

    pair[1].send(b"x")
    any_loop.add_reader(pair[0], read)
    any_loop.add_writer(pair[0], calls.append, "write")
    for _ in range(5):
        run_once(any_loop)
    assert calls == ["read"]


def test_watcher_removed_by_another_whose_event_is_of_the_same_turn_is_not_called(
    any_loop: Loop, pair: Pair, other_pair: Pair
) -> None:
    calls: list[str] = []

    def called(name: str, other: socket.socket) -> None:
        calls.append(name)
        assert any_loop.remove_reader(other) is True

    any_loop.add_reader(pair[0], called, "first", other_pair[0])
    any_loop.add_reader(other_pair[0], called, "second", pair[0])
    pair[1].send(b"x")
    other_pair[1].send(b"x")
    run_once(any_loop)
    run_once(any_loop)
    assert len(set(calls)) == 1
    assert any_loop.remove_reader(pair[0]) != any_loop.remove_reader(other_pair[0])


def test_one_of_many_removes_all_the_others(any_loop: Loop) -> None:
    calls: list[int] = []
    with contextlib.ExitStack() as stack:
        socks = [make_pair() for _ in range(50)]

        def called(number: int) -> None:
            calls.append(number)
            for sock, _ in socks:
                any_loop.remove_reader(sock)

        for number, (sock, peer) in enumerate(socks):
            stack.enter_context(sock)
            stack.enter_context(peer)
            any_loop.add_reader(sock, called, number)
            peer.send(b"x")
        for _ in range(5):
            run_once(any_loop)
    assert len(calls) == 1


def test_watcher_removed_by_a_callback_that_was_scheduled_earlier_is_not_called(
    any_loop: Loop, pair: Pair
) -> None:
    calls: list[str] = []
    any_loop.add_reader(pair[0], calls.append, "read")
    pair[1].send(b"x")
    any_loop.call_soon(any_loop.remove_reader, pair[0])
    for _ in range(5):
        run_once(any_loop)
    assert calls == []


def test_watcher_added_by_another_is_called(any_loop: Loop, pair: Pair, other_pair: Pair) -> None:
    got: list[bytes] = []
    other_pair[1].send(b"y")

    def called() -> None:
        got.append(pair[0].recv(1))
        any_loop.add_reader(other_pair[0], lambda: got.append(other_pair[0].recv(1)))

    any_loop.add_reader(pair[0], called)
    pair[1].send(b"x")
    until(any_loop, lambda: len(got) == 2)
    assert got == [b"x", b"y"]
    any_loop.remove_reader(pair[0])
    any_loop.remove_reader(other_pair[0])


def test_removed_and_added_again_in_its_callback_goes_on(any_loop: Loop, pair: Pair) -> None:
    got: list[bytes] = []

    def called() -> None:
        got.append(pair[0].recv(1))
        any_loop.remove_reader(pair[0])
        any_loop.add_reader(pair[0], called)

    any_loop.add_reader(pair[0], called)
    pair[1].send(b"abc")
    until(any_loop, lambda: len(got) == 3)
    assert got == [b"a", b"b", b"c"]
    assert any_loop.remove_reader(pair[0]) is True


def test_callback_may_close_both_ends_and_stop(any_loop: Loop) -> None:
    """uvloop#97"""
    first, second = make_pair()

    def called() -> None:
        any_loop.remove_reader(first)
        first.close()
        second.close()
        any_loop.stop()

    any_loop.add_reader(first, called)
    second.send(b"x")
    any_loop.run_forever()
    third, fourth = make_pair()
    with third, fourth:
        got: list[bytes] = []
        any_loop.add_reader(third, lambda: got.append(third.recv(1)))
        fourth.send(b"y")
        until(any_loop, lambda: got)
        any_loop.remove_reader(third)


def test_both_ends_watch_and_the_first_called_closes_both(any_loop: Loop) -> None:
    first, second = make_pair()
    calls: list[str] = []

    def called(name: str) -> None:
        calls.append(name)
        for sock in (first, second):
            any_loop.remove_reader(sock)
            any_loop.remove_writer(sock)
            sock.close()
        any_loop.stop()

    for name, sock in (("first", first), ("second", second)):
        any_loop.add_reader(sock, called, name)
        any_loop.add_writer(sock, called, name)
    any_loop.run_forever()
    run_once(any_loop)
    assert len(calls) == 1


def test_number_that_was_closed_too_early_can_be_watched_again(any_loop: Loop) -> None:
    """uvloop#34"""
    for _ in range(5):
        first, second = make_pair()
        number = first.fileno()
        any_loop.add_reader(number, print)
        run_once(any_loop)
        first.close()
        second.close()
        assert any_loop.remove_reader(number) is True
        third, fourth = make_pair()
        with third, fourth:
            assert number in (third.fileno(), fourth.fileno())
            watched, peer = (third, fourth) if third.fileno() == number else (fourth, third)
            got: list[bytes] = []
            any_loop.add_reader(
                number, lambda watched=watched, got=got: got.append(watched.recv(1))
            )
            peer.send(b"x")
            until(any_loop, lambda got=got: got)
            assert got == [b"x"]
            assert any_loop.remove_reader(number) is True


def test_number_reused_before_it_was_removed_can_be_removed_and_watched(any_loop: Loop) -> None:
    """uvloop#34"""
    first, second = make_pair()
    number = first.fileno()
    any_loop.add_reader(number, print)
    run_once(any_loop)
    first.close()
    third, fourth = make_pair()
    with second, third, fourth:
        assert third.fileno() == number
        assert any_loop.remove_reader(number) is True
        got: list[bytes] = []
        any_loop.add_reader(third, lambda: got.append(third.recv(1)))
        fourth.send(b"x")
        until(any_loop, lambda: got)
        assert any_loop.remove_reader(third) is True


def test_closed_descriptor_calls_nobody_and_does_not_spin(any_loop: Loop) -> None:
    first, second = make_pair()
    calls: list[str] = []
    number = first.fileno()
    any_loop.add_reader(number, calls.append, "read")
    run_once(any_loop)
    first.close()
    with second:
        for _ in range(3):
            run_once(any_loop)
        assert calls == []
    assert any_loop.remove_reader(number) is True


@pytest.mark.parametrize("kind", sorted(LOOP_FACTORIES))
def test_descriptor_closed_before_the_first_turn_leaves_the_process_alive(kind: str) -> None:
    """uvloop#100; in a process of its own, since the worst outcome is abort()."""
    text = """
import asyncio, socket, sys
import cxxloop
loop = {"asyncio": asyncio.SelectorEventLoop, "cxxloop": cxxloop.Loop}[sys.argv[1]]()
first, second = socket.socketpair()
number = first.fileno()
loop.add_reader(number, print, "called")
first.close()
loop.call_soon(loop.stop)
loop.run_forever()
print(loop.remove_reader(number))
loop.add_reader(second, loop.stop)
loop.run_forever()
loop.remove_reader(second)
loop.close()
second.close()
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", text, kind],
        capture_output=True,
        text=True,
        timeout=15,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_closed_while_a_duplicate_is_open_can_be_removed(any_loop: Loop, pair: Pair) -> None:
    """The kernel goes on reporting a closed number while a duplicate keeps the file open."""
    calls: list[str] = []
    first, second = pair
    number = first.fileno()
    duplicate = first.dup()
    any_loop.add_reader(number, calls.append, "read")
    run_once(any_loop)
    assert any_loop.remove_reader(number) is True
    first.close()
    second.send(b"x")
    with duplicate:
        duplicate.setblocking(False)
        for _ in range(3):
            run_once(any_loop)
        assert calls == []
        got: list[bytes] = []
        any_loop.add_reader(duplicate, lambda: got.append(duplicate.recv(1)))
        until(any_loop, lambda: got)
        any_loop.remove_reader(duplicate)
    assert got == [b"x"]


def test_removed_watcher_lets_go_of_its_callback_and_arguments(any_loop: Loop, pair: Pair) -> None:
    class Argument:
        def __call__(self, *args: Any) -> None:
            pass

    for add, remove in (
        (any_loop.add_reader, any_loop.remove_reader),
        (any_loop.add_writer, any_loop.remove_writer),
    ):
        callback, argument = Argument(), Argument()
        gone = [weakref.ref(callback), weakref.ref(argument)]
        add(pair[0], callback, argument)
        run_once(any_loop)
        assert remove(pair[0])
        run_once(any_loop)
        del callback, argument
        assert [ref() for ref in gone] == [None, None]
