"""Which events wake watchers: ends, errors, duplicates, several loops."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
from typing import Any

import pytest

from tests.descriptors.watching import Pair, until
from tests.support.loops import LOOP_FACTORIES, Failures, close_loop, run, run_once

Loop = asyncio.AbstractEventLoop


def test_duplicates_of_one_socket_are_two_watchers(any_loop: Loop, pair: Pair) -> None:
    calls: set[str] = set()
    with pair[0].dup() as duplicate:
        any_loop.add_reader(pair[0], calls.add, "original")
        any_loop.add_reader(duplicate, calls.add, "duplicate")
        pair[1].send(b"x")
        until(any_loop, lambda: len(calls) == 2)
        assert any_loop.remove_reader(duplicate)
        calls.clear()
        run_once(any_loop)
        run_once(any_loop)
        assert calls == {"original"}
        assert any_loop.remove_reader(pair[0])


def test_end_of_the_peer_wakes_reader_and_writer(any_loop: Loop, pair: Pair) -> None:
    calls: set[str] = set()
    while True:  # Full: only the end can make it writable.
        try:
            pair[0].send(b"x" * 65536)
        except BlockingIOError:
            break
    any_loop.add_reader(pair[0], calls.add, "read")
    any_loop.add_writer(pair[0], calls.add, "write")
    run_once(any_loop)
    run_once(any_loop)
    assert calls == set()
    pair[1].close()
    until(any_loop, lambda: len(calls) == 2)
    any_loop.remove_reader(pair[0])
    any_loop.remove_writer(pair[0])


def test_end_of_a_pipe_wakes_its_reader(any_loop: Loop) -> None:
    reading, writing = os.pipe()
    calls: list[bytes] = []
    any_loop.add_reader(reading, lambda: calls.append(os.read(reading, 1)))
    run_once(any_loop)
    os.close(writing)
    until(any_loop, lambda: len(calls) >= 3)
    assert set(calls) == {b""}  # The end is an event forever.
    any_loop.remove_reader(reading)
    os.close(reading)


def test_end_of_a_pipe_wakes_its_writer_alone(any_loop: Loop) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writing, b"x" * 65536)
    calls: list[str] = []
    any_loop.add_writer(writing, calls.append, "write")
    run_once(any_loop)
    assert calls == []
    os.close(reading)
    until(any_loop, lambda: calls)
    any_loop.remove_writer(writing)
    os.close(writing)


def test_connected_datagram_socket_reports_the_closed_port_and_goes_on(any_loop: Loop) -> None:
    """zuvloop#45"""
    with (
        socket.socket(type=socket.SOCK_DGRAM) as peer,
        socket.socket(type=socket.SOCK_DGRAM) as sock,
    ):
        peer.bind(("127.0.0.1", 0))
        address = peer.getsockname()
        sock.setblocking(False)
        sock.bind(("127.0.0.1", 0))
        sock.connect(address)
        peer.close()
        seen: list[Any] = []

        def called() -> None:
            try:
                seen.append(sock.recv(9))
            except ConnectionRefusedError:
                seen.append(ConnectionRefusedError)

        any_loop.add_reader(sock, called)
        sock.send(b"to nobody")

        async def until_seen(number: int) -> None:
            while len(seen) < number:
                await asyncio.sleep(0)

        run(any_loop, until_seen(1))
        with socket.socket(type=socket.SOCK_DGRAM) as back:
            back.bind(address)
            for number, data in enumerate((b"one", b"two"), 2):
                back.sendto(data, sock.getsockname())
                run(any_loop, until_seen(number))
        assert any_loop.remove_reader(sock) is True
        assert seen == [ConnectionRefusedError, b"one", b"two"]


@pytest.mark.parametrize("kind", sorted(LOOP_FACTORIES))
@pytest.mark.parametrize("make", ["pipe", "eventfd"])
def test_two_loops_in_two_threads_watch_one_descriptor(kind: str, make: str) -> None:
    """grpc/grpc#42357"""
    if make == "pipe":
        reading, writing = os.pipe()
    else:
        reading = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        writing = reading
    os.set_blocking(reading, False)
    ready = threading.Barrier(3)
    called = [threading.Event(), threading.Event()]
    failures: list[BaseException] = []

    def work(event: threading.Event) -> None:
        loop = LOOP_FACTORIES[kind]()
        try:

            def wake() -> None:
                event.set()
                if all(one.is_set() for one in called):
                    loop.stop()

            loop.add_reader(reading, wake)
            loop.call_soon(ready.wait)
            loop.run_forever()
            assert loop.remove_reader(reading) is True
        except BaseException as exc:
            failures.append(exc)
        finally:
            close_loop(loop)

    threads = [threading.Thread(target=work, args=(event,)) for event in called]
    for thread in threads:
        thread.start()
    ready.wait(10)
    os.write(writing, (1).to_bytes(8, "little"))
    for thread in threads:
        thread.join(10)
    for fd in {reading, writing}:
        os.close(fd)
    assert failures == []
    assert all(event.is_set() for event in called)


def test_failing_watcher_does_not_keep_others_from_their_events(
    any_loop: Loop, pair: Pair, other_pair: Pair
) -> None:
    failures = Failures(any_loop)
    got: list[bytes] = []

    def fail() -> None:
        raise ValueError("wrong")

    for sock, peer in (pair, other_pair):
        peer.send(b"x")
        any_loop.add_reader(sock, fail)
        any_loop.add_writer(sock, got.append, b"written")
    until(any_loop, lambda: len(failures.contexts) >= 4 and len(got) >= 4)
    for sock, _ in (pair, other_pair):
        any_loop.remove_reader(sock)
        any_loop.remove_writer(sock)
