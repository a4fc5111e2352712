"""A loop beside busy threads, other loops, and whoever stops or closes it meanwhile."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections import defaultdict
from typing import Any

import pytest

from tests.scheduling.threads import join, start
from tests.support.loops import LOOP_FACTORIES, close_loop, run

Loop = asyncio.AbstractEventLoop


class BusyThread:
    """Computes, and never gives the GIL away by itself."""

    def __enter__(self) -> None:
        self._ended = threading.Event()
        (self._thread,) = start(self._compute)

    def _compute(self) -> None:
        while not self._ended.is_set():
            sum(range(500))

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        join([self._thread])


@pytest.mark.parametrize("other_name", sorted(LOOP_FACTORIES))
def test_two_loops_exchange_bytes_and_calls_beside_a_busy_thread(
    any_loop: Loop, other_name: str
) -> None:
    """A server on one loop, clients on the other; each also posts callbacks to the other."""
    other = LOOP_FACTORIES[other_name]()
    posted: dict[str, int] = defaultdict(int)

    def count(name: str) -> None:
        posted[name] += 1

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1000):
                # First, as the client may end its loop once it has the bytes.
                any_loop.call_soon_threadsafe(count, "server")
                writer.write(data)
        finally:  # It may be cancelled before it has seen the end.
            writer.close()

    async def client(address: Any) -> None:
        reader, writer = await asyncio.open_connection(*address)
        for number in range(20):
            writer.write(b"%6d" % number)
            assert await reader.readexactly(6) == b"%6d" % number
            other.call_soon_threadsafe(count, "client")
        writer.close()
        await writer.wait_closed()

    async def clients() -> None:
        serving = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(echo, "127.0.0.1", 0), other
        )
        server = await asyncio.wrap_future(serving)
        address = server.sockets[0].getsockname()
        await asyncio.gather(*[client(address) for _ in range(5)])
        other.call_soon_threadsafe(server.close)

    threads = start(other.run_forever)
    try:
        with BusyThread():
            run(any_loop, clients())
    finally:
        other.call_soon_threadsafe(other.stop)
        join(threads)
        close_loop(other)
    assert posted["client"] == 100
    assert posted["server"] >= 100


def test_producers_race_with_a_loop_that_stops_and_runs_again(any_loop: Loop) -> None:
    """What is posted while it doesn't run waits for the next run; each producer keeps its order."""
    producers, each = 16, 200
    got: dict[int, list[int]] = defaultdict(list)

    def produce(producer: int) -> None:
        for number in range(each):
            any_loop.call_soon_threadsafe(got[producer].append, number)
            if number % 20 == producer:
                any_loop.call_soon_threadsafe(any_loop.stop)

    threads = start(*[lambda p=p: produce(p) for p in range(producers)])
    deadline = any_loop.time() + 30
    while sum(map(len, got.values())) < producers * each:
        assert any_loop.time() < deadline
        guard = any_loop.call_later(0.05, any_loop.stop)
        any_loop.run_forever()
        guard.cancel()
    join(threads)
    assert got == {producer: list(range(each)) for producer in range(producers)}


def test_coroutines_of_threads_race_with_a_loop_that_is_closed(any_loop: Loop) -> None:
    """Each ends with its result, waits for a loop that is gone, or is refused."""
    for _ in range(10):
        loop = type(any_loop)()
        outcomes: list[str] = []
        left: list[Any] = []
        closed = threading.Event()

        async def work(number: int) -> int:
            await asyncio.sleep(0)
            return number

        def submit(
            loop: Loop = loop,
            outcomes: list[str] = outcomes,
            left: list[Any] = left,
            closed: threading.Event = closed,
        ) -> None:
            for number in range(100_000):
                coroutine = work(number)
                try:
                    future = asyncio.run_coroutine_threadsafe(coroutine, loop)
                except RuntimeError as exc:
                    coroutine.close()
                    outcomes.append(str(exc))
                    return
                while not (closed.is_set() or future.done()):
                    concurrent.futures.wait([future], 0.01)
                if not future.done():
                    left.append(coroutine)

        threads = start(*[submit] * 4)
        loop.call_later(0.005, loop.stop)
        loop.run_forever()
        loop.close()
        closed.set()
        join(threads)
        assert outcomes == ["Event loop is closed"] * 4
        for coroutine in left:
            coroutine.close()


def test_stop_of_another_thread_is_never_lost(any_loop: Loop) -> None:
    """Also when it comes before the run, at its very beginning, or in its last turn."""
    rounds = 300
    stopping, running = threading.Semaphore(0), threading.Semaphore(0)

    def stop() -> None:
        for _ in range(rounds):
            assert stopping.acquire(timeout=10)
            any_loop.call_soon_threadsafe(any_loop.stop)
            assert running.acquire(timeout=10)

    threads = start(stop)
    for _ in range(rounds):
        stopping.release()
        any_loop.run_forever()
        running.release()
    join(threads)


def test_wake_ups_of_an_idle_loop_arrive_beside_a_busy_thread(any_loop: Loop) -> None:
    arrived = threading.Semaphore(0)

    def produce() -> None:
        try:
            for _ in range(30):
                any_loop.call_soon_threadsafe(arrived.release)
                assert arrived.acquire(timeout=10)
        finally:
            any_loop.call_soon_threadsafe(any_loop.stop)

    with BusyThread():
        threads = start(produce)
        any_loop.run_forever()
        join(threads)
    assert not arrived.acquire(blocking=False)
