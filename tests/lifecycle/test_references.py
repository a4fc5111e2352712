"""References: what the loop gives back, and when."""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import weakref
from typing import Any

import pytest

from tests.support.loops import run, run_once
from tests.support.protocols import Recorder, plain_peer

Loop = asyncio.AbstractEventLoop


class Thing:
    """Can be referred to weakly, and can be called."""

    def __call__(self, *args: Any) -> None: ...


@pytest.mark.parametrize("schedule", ["call_soon", "call_soon_threadsafe", "call_later", "call_at"])
def test_cancelled_handle_drops_callback_and_arguments_at_once(
    any_loop: Loop, schedule: str
) -> None:
    callback, argument = Thing(), Thing()
    gone = weakref.ref(callback), weakref.ref(argument)
    when = (3600,) if schedule in ("call_later", "call_at") else ()
    handle = getattr(any_loop, schedule)(*when, callback, argument)
    del callback, argument
    gc.collect()
    assert gone[0]() is not None and gone[1]() is not None
    handle.cancel()
    assert gone[0]() is None and gone[1]() is None
    assert handle.cancelled()


def test_references_are_given_back_after_running(any_loop: Loop) -> None:
    callback, argument = Thing(), Thing()
    before = sys.getrefcount(callback), sys.getrefcount(argument)
    for _ in range(100):
        any_loop.call_soon(callback, argument)
        any_loop.call_soon(callback, argument, argument, argument)
        any_loop.call_soon_threadsafe(callback, argument)
        any_loop.call_later(0, callback, argument)
        any_loop.call_later(3600, callback, argument).cancel()
    any_loop.call_later(0.01, any_loop.stop)
    any_loop.run_forever()
    run_once(any_loop)
    assert (sys.getrefcount(callback), sys.getrefcount(argument)) == before


def test_references_of_descriptor_callbacks_are_given_back(any_loop: Loop) -> None:
    callback, argument = Thing(), Thing()
    before = sys.getrefcount(callback), sys.getrefcount(argument)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        for _ in range(50):
            any_loop.add_reader(ours, callback, argument)
            any_loop.add_reader(ours, callback, argument)  # Takes the first one's place.
            any_loop.add_writer(ours, callback, argument)
            run_once(any_loop)
            any_loop.remove_reader(ours)
            any_loop.remove_writer(ours)
        run_once(any_loop)
    assert (sys.getrefcount(callback), sys.getrefcount(argument)) == before


def test_written_data_is_given_back(any_loop: Loop) -> None:
    data = b"x" * 3_000_000
    before = sys.getrefcount(data)

    async def main() -> None:
        protocol = Recorder(any_loop)
        async with plain_peer(any_loop, protocol) as (transport, _):
            transport.write(data)
            transport.writelines([data, data])
            transport.abort()
            await protocol.lost

    run(any_loop, main())
    run_once(any_loop)
    gc.collect()
    assert sys.getrefcount(data) == before
