"""Handle and TimerHandle are asyncio's."""

from __future__ import annotations

import asyncio
import copy
import gc
import pickle
import sys
import weakref
from typing import Any

import pytest

from cxxloop import _core
from tests.support.loops import run_once

Loop = asyncio.AbstractEventLoop


def callback(*args: Any) -> None: ...


def test_handles_are_asyncios_by_type(any_loop: Loop) -> None:
    assert isinstance(any_loop.call_soon(callback), asyncio.Handle)
    assert isinstance(any_loop.call_soon_threadsafe(callback), asyncio.Handle)
    assert isinstance(any_loop.call_later(1, callback), asyncio.TimerHandle)
    assert isinstance(any_loop.call_at(1, callback), asyncio.TimerHandle)
    assert not isinstance(any_loop.call_soon(callback), asyncio.TimerHandle)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 20])
def test_private_names_that_libraries_read_are_there(any_loop: Loop, count: int) -> None:
    arguments = tuple(range(count))
    handle: Any = any_loop.call_soon(callback, *arguments)
    assert handle._callback is callback
    assert handle._args == arguments
    assert handle._cancelled is False
    assert handle._loop is any_loop
    handle.cancel()
    assert handle._callback is None and handle._args is None
    assert handle._cancelled is True


def test_timer_knows_whether_it_is_scheduled(any_loop: Loop) -> None:
    timer: Any = any_loop.call_later(3600, callback)
    assert timer._scheduled
    assert timer._when == timer.when()
    fired: Any = any_loop.call_later(0, callback)
    run_once(any_loop)
    assert not fired._scheduled
    timer.cancel()


def test_cancelling_twice_and_after_the_run_is_harmless(any_loop: Loop) -> None:
    handle = any_loop.call_soon(callback)
    run_once(any_loop)
    assert not handle.cancelled()
    handle.cancel()
    handle.cancel()
    assert handle.cancelled()


def test_repr_reads_as_asyncios(any_loop: Loop) -> None:
    handle = any_loop.call_soon(callback, 1)
    assert repr(handle).startswith("<Handle callback(")
    handle.cancel()
    assert repr(handle) == "<Handle cancelled>"
    timer = any_loop.call_at(5.0, callback)
    assert repr(timer).startswith("<TimerHandle when=5.0 callback() at ")
    timer.cancel()
    assert repr(timer) == "<TimerHandle cancelled when=5.0>"


def test_handle_can_be_referred_to_weakly(any_loop: Loop) -> None:
    handle = any_loop.call_soon(callback)
    reference = weakref.ref(handle)
    assert reference() is handle
    run_once(any_loop)
    del handle
    gc.collect()
    assert reference() is None


def test_weak_reference_to_a_handle_that_only_the_loop_has(any_loop: Loop) -> None:
    reference = weakref.ref(any_loop.call_soon(callback))
    assert reference() is not None
    run_once(any_loop)
    gc.collect()
    assert reference() is None


def test_kept_handles_are_seen_by_the_collector(any_loop: Loop) -> None:
    class Node:
        handle: asyncio.Handle

        def method(self) -> None: ...

    node = Node()
    node.handle = any_loop.call_soon(node.method)
    run_once(any_loop)
    gone = weakref.ref(node)
    del node
    gc.collect()
    assert gone() is None


def test_recycled_handle_has_nothing_of_the_one_before(any_loop: Loop) -> None:
    for _ in range(3):
        any_loop.call_soon(callback, *range(10))
        any_loop.call_later(0, callback, 1)
    run_once(any_loop)
    fresh: Any = any_loop.call_soon(callback)
    assert fresh._args == ()
    assert fresh._source_traceback is None
    assert not fresh.cancelled()


def test_run_of_a_handle_can_be_called(any_loop: Loop) -> None:
    got: list[Any] = []
    handle: Any = any_loop.call_soon(got.append, 1)
    handle._run()
    assert got == [1]
    run_once(any_loop)
    assert got == [1, 1]


@pytest.mark.parametrize("kind", [_core.Handle, _core.TimerHandle, _core.StreamTransport])
def test_native_types_can_not_be_made_by_hand(kind: type) -> None:
    """uvloop#760"""
    for arguments in ((), (None,), (None, None, None, None)):
        with pytest.raises(TypeError):
            kind(*arguments)
    with pytest.raises(TypeError):
        kind.__new__(kind)
    with pytest.raises(TypeError):
        type("Sub", (kind,), {})


def test_handles_are_neither_copied_nor_pickled(any_loop: Loop) -> None:
    if not isinstance(any_loop, _core.Loop):
        pytest.skip("asyncio's handles can be copied, into something that does not work")
    handle = any_loop.call_soon(callback)
    with pytest.raises(TypeError):
        copy.copy(handle)
    with pytest.raises(TypeError):
        pickle.dumps(handle)


def test_equal_callbacks_make_unequal_handles(any_loop: Loop) -> None:
    first, second = any_loop.call_soon(callback), any_loop.call_soon(callback)
    assert first != second
    assert len({first, second}) == 2


@pytest.mark.skipif(not hasattr(sys, "gettotalrefcount"), reason="needs a debug build of Python")
def test_scheduling_leaks_no_reference(loop: Loop) -> None:
    def cycle() -> None:
        for count in range(8):
            loop.call_soon(callback, *range(count))
            loop.call_later(0, callback, *range(count)).when()
            loop.call_later(1, callback).cancel()
        run_once(loop)

    for _ in range(5):
        cycle()
    before = sys.gettotalrefcount()
    for _ in range(50):
        cycle()
    assert sys.gettotalrefcount() - before < 50
