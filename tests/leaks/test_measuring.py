"""What tests/leaks would find, with leaks that are made on purpose."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cxxloop
from tests.leaks.measuring import leftovers
from tests.leaks.operation import Operation, Setting, make_setting
from tests.support.certificates import Certificates
from tests.support.loops import run_once

CYCLES = 30


class Kept:
    """What the leaking operations have kept, so that it can be given back."""

    def __init__(self) -> None:
        self.things: list[Any] = []
        self.descriptors: list[int] = []
        self.handles: list[asyncio.Handle] = []
        self.sockets: list[socket.socket] = []

    def give_back(self) -> None:
        for handle in self.handles:
            handle.cancel()
        for fd in self.descriptors:
            os.close(fd)
        for sock in self.sockets:
            sock.close()
        for thing in self.things:
            if isinstance(thing, threading.Event):
                thing.set()
            elif isinstance(thing, asyncio.Transport):
                thing.abort()
        vars(self).clear()


@pytest.fixture
def kept(loop: cxxloop.Loop) -> Iterator[Kept]:
    made = Kept()
    yield made
    made.give_back()
    run_once(loop)
    run_once(loop)


async def object_is_kept(setting: Setting, kept: Kept) -> None:
    kept.things.append([])


async def text_is_kept(setting: Setting, kept: Kept) -> None:
    kept.things.append(b"x" * (100 + len(kept.things)))


async def descriptor_stays_open(setting: Setting, kept: Kept) -> None:
    kept.descriptors.append(os.dup(0))


async def timer_is_not_cancelled(setting: Setting, kept: Kept) -> None:
    kept.handles.append(setting.loop.call_later(3600, print))


async def transport_is_not_closed(setting: Setting, kept: Kept) -> None:
    ours, theirs = socket.socketpair()
    kept.sockets += [theirs]
    transport, _ = await setting.loop.create_connection(asyncio.Protocol, sock=ours)
    kept.things.append(transport)


async def thread_goes_on(setting: Setting, kept: Kept) -> None:
    kept.things.append(threading.Event())
    threading.Thread(target=kept.things[-1].wait).start()


async def cycle_is_left(setting: Setting, kept: Kept) -> None:
    handle: Any = None

    def callback() -> Any:
        return handle

    handle = setting.loop.call_soon(callback)
    await asyncio.sleep(0)
    kept.things[:] = [object()]
    handle = setting.loop.call_later(3600, callback)
    setting.loop.call_soon(print, handle).cancel()
    handle.cancel()
    cycle: list[Any] = [handle]
    cycle.append(cycle)


LEAKS: dict[Callable[[Setting, Kept], Any], str] = {
    object_is_kept: "tracked objects",
    text_is_kept: "memory blocks",
    descriptor_stays_open: "descriptors",
    timer_is_not_cancelled: "scheduled",
    transport_is_not_closed: "stream_transports",
    thread_goes_on: "threads",
    cycle_is_left: "timers",
}


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__)
def test_leak_is_found(
    leak: Callable[[Setting, Kept], Any],
    kept: Kept,
    loop: cxxloop.Loop,
    certificates: Certificates,
    tmp_path: Path,
) -> None:
    if leak is text_is_kept and os.environ.get("PYTHONMALLOC") == "malloc":
        pytest.skip("only CPython's own allocator counts its blocks")
    setting = make_setting(loop, certificates, tmp_path)
    operation = Operation(leak.__name__, lambda s: leak(s, kept), CYCLES, False, "")
    found = leftovers(operation, setting, CYCLES if leak is not thread_goes_on else 3)
    assert LEAKS[leak] in {name for counts in found.values() for name in counts}
