"""add_reader() and its relatives: which descriptors and callbacks they take."""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any

import pytest

from tests.descriptors.watching import Pair, until

Loop = asyncio.AbstractEventLoop


def test_descriptor_may_be_a_number_or_an_object_with_fileno(any_loop: Loop, pair: Pair) -> None:
    sock, peer = pair
    calls: list[str] = []

    class WithFileno:
        def fileno(self) -> int:
            return sock.fileno()

    peer.send(b"x")
    for descriptor in (sock, sock.fileno(), WithFileno()):
        calls.clear()
        any_loop.add_reader(descriptor, calls.append, "called")
        until(any_loop, lambda: calls)
        assert any_loop.remove_reader(sock.fileno()) is True


def test_same_descriptor_under_another_name_is_the_same_watcher(any_loop: Loop, pair: Pair) -> None:
    sock, _ = pair
    any_loop.add_reader(sock, print)
    any_loop.add_reader(sock.fileno(), print)
    assert any_loop.remove_reader(sock) is True
    assert any_loop.remove_reader(sock.fileno()) is False


@pytest.mark.parametrize("method", ["add_reader", "add_writer", "remove_reader", "remove_writer"])
@pytest.mark.parametrize("descriptor", [None, "text", b"x", 1.5, object(), [], -1, -5])
def test_descriptor_that_is_none_is_a_value_error(
    any_loop: Loop, method: str, descriptor: Any
) -> None:
    args = (print,) if method.startswith("add") else ()
    with pytest.raises(ValueError) as info:
        getattr(any_loop, method)(descriptor, *args)
    kind = "descriptor" if isinstance(descriptor, int) else "object"
    assert str(info.value) == f"Invalid file {kind}: {descriptor!r}"


@pytest.mark.parametrize("answer", ["text", None, -1])
def test_fileno_that_is_wrong_is_a_value_error(any_loop: Loop, answer: Any) -> None:
    class Wrong:
        def fileno(self) -> Any:
            return answer

    for method in (any_loop.add_reader, any_loop.add_writer):
        with pytest.raises(ValueError, match="Invalid file (object|descriptor): "):
            method(Wrong(), print)
    for remove in (any_loop.remove_reader, any_loop.remove_writer):
        with pytest.raises(ValueError, match="Invalid file (object|descriptor): "):
            remove(Wrong())


def test_exception_of_fileno_comes_through(any_loop: Loop) -> None:
    class Wrong:
        def fileno(self) -> int:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        any_loop.add_reader(Wrong(), print)
    with pytest.raises(ZeroDivisionError):
        any_loop.remove_writer(Wrong())


def test_closed_socket_is_a_value_error(any_loop: Loop) -> None:
    sock = socket.socket()
    sock.close()
    for method in (any_loop.add_reader, any_loop.add_writer):
        with pytest.raises(ValueError, match="^Invalid file descriptor: -1$"):
            method(sock, print)
    for remove in (any_loop.remove_reader, any_loop.remove_writer):
        with pytest.raises(ValueError, match="^Invalid file descriptor: -1$"):
            remove(sock)


@pytest.mark.parametrize("method", ["add_reader", "add_writer"])
def test_regular_file_is_refused_as_epoll_does(any_loop: Loop, method: str, tmp_path: Any) -> None:
    """uvloop#28, uvloop#637"""
    with open(tmp_path / "file", "w+b") as file:
        for descriptor in (file, file.fileno()):
            with pytest.raises(PermissionError, match="Operation not permitted"):
                getattr(any_loop, method)(descriptor, print)
        assert any_loop.remove_reader(file) is False
        assert any_loop.remove_writer(file) is False


@pytest.mark.parametrize("method", ["add_reader", "add_writer"])
def test_descriptor_that_is_not_open_is_refused(any_loop: Loop, method: str) -> None:
    first, second = os.pipe()
    os.close(first)
    os.close(second)
    for descriptor in (first, second, 2**20):
        with pytest.raises(OSError, match="Bad file descriptor"):
            getattr(any_loop, method)(descriptor, print)
        assert any_loop.remove_reader(descriptor) is False
        assert any_loop.remove_writer(descriptor) is False


@pytest.mark.parametrize("method", ["add_reader", "add_writer", "remove_reader", "remove_writer"])
def test_number_that_no_descriptor_can_have_is_refused(any_loop: Loop, method: str) -> None:
    args = (print,) if method.startswith("add") else ()
    for number in (2**31, 2**63, 2**100):
        if args:
            with pytest.raises(OverflowError):
                getattr(any_loop, method)(number, *args)
        else:
            assert getattr(any_loop, method)(number) is False


def test_callback_and_descriptor_are_needed(any_loop: Loop, pair: Pair) -> None:
    methods: list[Any] = [any_loop.add_reader, any_loop.add_writer]
    for method in methods:
        with pytest.raises(TypeError):
            method()
        with pytest.raises(TypeError):
            method(pair[0])
        with pytest.raises(TypeError):
            method(pair[0], print, nothing=1)
    removes: list[Any] = [any_loop.remove_reader, any_loop.remove_writer]
    for remove in removes:
        with pytest.raises(TypeError):
            remove()
        with pytest.raises(TypeError):
            remove(pair[0], pair[1])
    assert any_loop.remove_reader(pair[0]) is False


def test_descriptor_and_callback_may_be_keywords(any_loop: Loop, pair: Pair) -> None:
    calls: list[str] = []
    pair[1].send(b"x")
    any_loop.add_reader(fd=pair[0], callback=lambda: calls.append("r"))
    any_loop.add_writer(fd=pair[0], callback=lambda: calls.append("w"))
    until(any_loop, lambda: {"r", "w"} <= set(calls))
    assert any_loop.remove_reader(fd=pair[0])
    assert any_loop.remove_writer(fd=pair[0])


def test_closed_loop_refuses_to_add_and_has_nothing_to_remove(any_loop: Loop, pair: Pair) -> None:
    any_loop.add_reader(pair[0], print)
    any_loop.close()
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        any_loop.add_reader(pair[0], print)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        any_loop.add_writer(pair[0], print)
    assert any_loop.remove_reader(pair[0]) is False
    assert any_loop.remove_writer(pair[0]) is False
