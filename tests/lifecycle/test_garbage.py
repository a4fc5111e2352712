"""Garbage collection: abandoned loops and transports, finalisers, references given back."""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import sys
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import cxxloop
from tests.support.loops import run, run_once
from tests.support.protocols import Recorder, serving

Loop = asyncio.AbstractEventLoop


def _callback_on_itself(loop: Loop) -> None:
    loop.call_soon(loop.stop)
    loop.call_soon(lambda: loop)


def _timer_on_itself(loop: Loop) -> None:
    loop.call_later(3600, loop.stop)
    loop.call_later(3600, lambda: loop).cancel()


def _handle_kept_by_the_loop(loop: Any) -> None:
    loop.call_soon(print, loop.call_soon(print, loop))


def _exception_handler(loop: Loop) -> None:
    loop.set_exception_handler(lambda *args: loop.stop())


def _task_factory(loop: Loop) -> None:
    loop.set_task_factory(lambda _, coro, **options: asyncio.Task(coro, loop=loop, **options))


def _future_with_callback(loop: Loop) -> None:
    future = loop.create_future()
    future.add_done_callback(lambda _: loop.stop())
    loop.call_later(3600, future.cancel)


def _ran_before(loop: Loop) -> None:
    _timer_on_itself(loop)
    run_once(loop)


def _bound_context(loop: Loop) -> None:
    import contextvars

    variable: contextvars.ContextVar[Any] = contextvars.ContextVar("variable")
    context = contextvars.copy_context()
    context.run(variable.set, loop)
    loop.call_soon(print, context=context)


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "unclosed"])
@pytest.mark.parametrize(
    "tie",
    [
        _callback_on_itself,
        _timer_on_itself,
        _handle_kept_by_the_loop,
        _exception_handler,
        _task_factory,
        _future_with_callback,
        _ran_before,
        _bound_context,
    ],
)
def test_loop_in_a_cycle_is_collected(
    any_loop: Loop, tie: Callable[[Loop], None], closed: bool
) -> None:
    loop = type(any_loop)()
    tie(loop)
    gone = weakref.ref(loop)
    if closed:
        loop.close()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        del loop
        gc.collect()
    assert gone() is None


@pytest.mark.parametrize("direction", ["reader", "writer"])
def test_loop_in_a_cycle_with_a_descriptor_callback_is_collected(
    loop: cxxloop.Loop, direction: str
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        made = cxxloop.Loop()
        getattr(made, f"add_{direction}")(ours, made.stop)
        run_once(made)
        gone = weakref.ref(made)
        with pytest.warns(ResourceWarning, match="unclosed event loop"):
            del made
            gc.collect()
        assert gone() is None
        loop.add_reader(ours, print)  # The descriptor is free for another loop.
        assert loop.remove_reader(ours)


def test_loop_with_a_pending_task_is_collected(any_loop: Loop) -> None:
    loop = type(any_loop)()

    async def wait() -> None:
        await asyncio.get_running_loop().create_future()

    task = loop.create_task(wait())
    run_once(loop)
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    gone = weakref.ref(loop)
    with pytest.warns(ResourceWarning, match="unclosed event loop"):
        del task, loop
        gc.collect()
    assert gone() is None


def test_loop_with_open_transports_is_collected() -> None:
    def abandon(sock: socket.socket) -> weakref.ref[cxxloop.Loop]:
        loop = cxxloop.Loop()
        run(loop, loop.create_unix_connection(lambda: Recorder(loop), sock=sock))
        return weakref.ref(loop)

    sockets = list(socket.socketpair())
    with sockets.pop() as theirs, warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gone = abandon(sockets.pop())
        gc.collect()
        assert gone() is None
        theirs.settimeout(10)
        assert theirs.recv(1) == b""


def test_dropped_transport_stays_open_while_its_loop_reads_for_it(any_loop: Loop) -> None:
    async def main() -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            protocol = Recorder(any_loop)
            await any_loop.create_unix_connection(lambda: protocol, sock=ours)
            protocol.transport = None
            del ours
            gc.collect()
            theirs.send(b"still there")
            await protocol.until(lambda p: p.received == b"still there")
            theirs.close()
            await protocol.lost

    run(any_loop, main())


def test_closed_transports_and_protocols_are_given_back(any_loop: Loop) -> None:
    references: list[weakref.ref[Any]] = []

    async def main() -> None:
        async with serving(lambda: Recorder(any_loop)) as (_, address):
            transport, protocol = await any_loop.create_connection(
                lambda: Recorder(any_loop), *address
            )
            references.extend([weakref.ref(transport), weakref.ref(protocol)])
            transport.close()
            await protocol.lost

    run(any_loop, main())
    run_once(any_loop)
    gc.collect()
    assert [reference() for reference in references] == [None, None]


@pytest.mark.slow
def test_transports_that_end_in_every_way_and_order_leave_nothing(loop: cxxloop.Loop) -> None:
    """Two thousand pairs: that is what finds an end that happens twice."""
    chance = random.Random(11)
    left = 2000

    class Ending(asyncio.Protocol):
        lost = 0

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def connection_lost(self, exc: Exception | None) -> None:
            type(self).lost += 1
            del self.transport

    async def main() -> None:
        nonlocal left
        while left:
            pairs: list[tuple[Any, socket.socket]] = []
            for _ in range(100):
                left -= 1
                ours, theirs = socket.socketpair()
                transport, _ = await loop.create_unix_connection(Ending, sock=ours)
                pairs.append((transport, theirs))
            chance.shuffle(pairs)
            for transport, theirs in pairs:
                for _ in range(chance.randrange(1, 4)):
                    way = chance.randrange(6)
                    if way == 0:
                        transport.close()
                    elif way == 1:
                        transport.abort()
                    elif way == 2:
                        theirs.close()
                    elif way == 3:
                        transport.write(b"x" * chance.choice([1, 10, 500_000]))
                    elif way == 4 and not transport.is_closing():
                        transport.pause_reading()
                    elif way == 5:
                        await asyncio.sleep(0)
                if chance.random() < 0.02:
                    gc.collect()
            for _, theirs in pairs:
                theirs.close()
            for transport, _ in pairs:
                transport.abort()
            del transport
            pairs.clear()
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0)

    run(loop, main())
    assert Ending.lost == 2000


def test_finaliser_may_use_the_loop(any_loop: Loop) -> None:
    """uvloop#143"""
    ran: list[str] = []
    ours, theirs = socket.socketpair()

    class Finalised:
        def __init__(self, handle: asyncio.Handle) -> None:
            self.handle = handle
            self.cycle = self

        def __call__(self, *args: Any) -> None: ...

        def __del__(self) -> None:
            any_loop.remove_reader(ours)
            any_loop.remove_writer(ours)
            any_loop.add_reader(ours, print)
            any_loop.remove_reader(ours)
            self.handle.cancel()
            any_loop.call_soon(ran.append, "finalised")
            any_loop.create_future().cancel()

    with ours, theirs:
        for _ in range(20):
            finalised = Finalised(any_loop.call_later(3600, print))
            any_loop.add_reader(ours, finalised)
            any_loop.add_writer(ours, finalised)
            del finalised
            any_loop.remove_reader(ours)
            any_loop.remove_writer(ours)
            gc.collect()
        run_once(any_loop)
    assert ran == ["finalised"] * 20


def test_finaliser_of_a_cancelled_callback_may_use_the_loop(any_loop: Loop) -> None:
    ran: list[str] = []

    class Finalised:
        def __call__(self, *args: Any) -> None: ...

        def __del__(self) -> None:
            any_loop.call_soon(ran.append, "soon")
            any_loop.call_later(0, ran.append, "later")

    any_loop.call_soon(Finalised()).cancel()
    any_loop.call_later(3600, Finalised()).cancel()
    any_loop.call_soon(Finalised(), Finalised())
    any_loop.call_later(0.02, any_loop.stop)
    any_loop.run_forever()
    assert sorted(ran) == ["later"] * 4 + ["soon"] * 4


def test_finaliser_runs_when_the_loop_closes_and_may_use_it(any_loop: Loop) -> None:
    errors: list[str] = []

    class Finalised:
        def __call__(self, *args: Any) -> None: ...

        def __del__(self) -> None:
            try:
                any_loop.call_soon(print)
            except RuntimeError as exc:
                errors.append(str(exc))

    any_loop.call_soon(Finalised())
    any_loop.call_later(3600, Finalised())
    any_loop.close()
    gc.collect()
    assert errors == ["Event loop is closed"] * 2


def test_collection_within_every_callback_does_no_harm(any_loop: Loop) -> None:
    thresholds = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:

        async def main() -> None:
            async with serving(lambda: Recorder(any_loop)) as (_, address):
                transport, protocol = await any_loop.create_connection(
                    lambda: Recorder(any_loop), *address
                )
                transport.write(b"data")
                await asyncio.sleep(0.001)
                transport.close()
                await protocol.lost
                await asyncio.wait_for(asyncio.sleep(0), 1)

        run(any_loop, main())
    finally:
        gc.set_threshold(*thresholds)


def test_collector_can_look_at_everything(any_loop: Loop) -> None:
    async def main() -> None:
        async with serving(lambda: Recorder(any_loop)) as (server, address):
            transport, protocol = await any_loop.create_connection(
                lambda: Recorder(any_loop), *address
            )
            handle, timer = any_loop.call_soon(print), any_loop.call_later(3600, print)
            future = any_loop.create_future()
            handle.cancel()
            for thing in (any_loop, server, transport, handle, timer, future):
                gc.get_referents(thing)
                gc.get_referrers(thing)
                assert repr(thing)
                assert sys.getsizeof(thing) > 0
            for thing in gc.get_objects():
                if str(getattr(type(thing), "__module__", "")).startswith("cxxloop"):
                    gc.get_referents(thing)
            timer.cancel()
            transport.close()
            await protocol.lost

    run(any_loop, main())
    gc.freeze()
    gc.collect()
    gc.unfreeze()
    gc.collect()
    gc.freeze()  # As it was.
