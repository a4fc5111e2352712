"""cxxloop.debug_counters(): what it counts, and that everything is counted down again."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

import cxxloop
from tests.leaks.operation import Setting, make_setting, sockets, turns
from tests.support.certificates import Certificates
from tests.support.datagrams import endpoint
from tests.support.loops import run, run_once
from tests.support.pipes import reader, writer
from tests.support.protocols import Recorder, plain_peer, serving
from tests.support.tls_peers import tls_peer

Scene = Callable[[Setting], "contextlib.AbstractAsyncContextManager[Any]"]


def counted(before: dict[str, int]) -> dict[str, int]:
    """What there is more of than before."""
    now = cxxloop.debug_counters()
    return {name: now[name] - before[name] for name in now if now[name] != before[name]}


@contextlib.asynccontextmanager
async def waiting_operation(setting: Setting) -> AsyncIterator[None]:
    with sockets() as (ours, _):
        task = asyncio.ensure_future(setting.loop.sock_recv(ours, 1))
        await turns(2)
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def blocked_writer(setting: Setting) -> AsyncIterator[None]:
    async with plain_peer(setting.loop, Recorder(setting.loop)) as (transport, _):
        transport.write(bytes(1 << 22))
        await turns(2)
        yield


SCENES: dict[str, tuple[Scene, dict[str, int]]] = {
    "stream": (
        lambda s: plain_peer(s.loop, Recorder(s.loop)),
        {"stream_transports": 1, "readers": 1},
    ),
    "stream that cannot send": (
        blocked_writer,
        {"stream_transports": 1, "readers": 1, "writers": 1},
    ),
    "server": (lambda s: serving(asyncio.Protocol), {"listeners": 1, "readers": 1}),
    "tls": (
        lambda s: tls_peer(s.loop, Recorder(s.loop), s.certificates),
        {"stream_transports": 1, "tls_protocols": 1, "readers": 1},
    ),
    "datagrams": (lambda s: endpoint(), {"datagram_transports": 1, "readers": 1}),
    "reading pipe": (lambda s: reader(s.loop), {"read_pipe_transports": 1, "readers": 1}),
    "writing pipe": (lambda s: writer(s.loop), {"write_pipe_transports": 1, "readers": 1}),
    "operation": (waiting_operation, {"readers": 1, "socket_operations": 1}),
}


@pytest.mark.parametrize("name", SCENES)
def test_each_kind_is_counted_while_it_lives(
    name: str, loop: cxxloop.Loop, certificates: Certificates, tmp_path: Path
) -> None:
    scene, expected = SCENES[name]
    setting = make_setting(loop, certificates, tmp_path)
    untold = {"handles", "timers", "kept_handles", "ready", "scheduled"}

    async def main() -> None:
        before = cxxloop.debug_counters()
        async with scene(setting):
            await turns(3)
            counts = counted(before)
            assert {n: count for n, count in counts.items() if n not in untold} == expected

    gc.collect()
    start = cxxloop.debug_counters()
    run(loop, main())
    run_once(loop)
    gc.collect()
    assert {n: count for n, count in counted(start).items() if n != "kept_handles"} == {}


def test_callbacks_timers_and_loops_are_counted(loop: cxxloop.Loop) -> None:
    loop.set_debug(False)
    before = cxxloop.debug_counters()
    handles = [loop.call_soon(print), loop.call_soon_threadsafe(print)]
    timer = loop.call_later(3600, print)
    another = cxxloop.Loop()
    counts = counted(before)
    counts.pop("kept_handles", None)
    assert counts == {"handles": 2, "timers": 1, "ready": 2, "scheduled": 1, "loops": 1}
    timer.cancel()
    for handle in handles:
        handle.cancel()
    another.close()
    del timer, handles, handle, another
    run_once(loop)
    gc.collect()
    assert counted(before).keys() <= {"kept_handles"}


def test_descriptors_of_all_loops_are_counted(loop: cxxloop.Loop) -> None:
    another = cxxloop.Loop()
    before = cxxloop.debug_counters()
    with sockets() as (ours, theirs):
        loop.add_reader(ours, print)
        another.add_reader(ours, print)
        another.add_writer(theirs, print)
        assert (counted(before)["readers"], counted(before)["writers"]) == (2, 1)
        loop.remove_reader(ours)
        another.close()
        assert counted(before).keys() <= {"kept_handles"}


def test_counters_are_a_new_dict_of_numbers() -> None:
    counters = cxxloop.debug_counters()
    assert all(type(count) is int and count >= 0 for count in counters.values())
    counters.clear()
    assert cxxloop.debug_counters()


def test_documentation_names_every_counter() -> None:
    documented = cxxloop.debug_counters.__doc__ or ""
    assert not {name for name in cxxloop.debug_counters() if f"'{name}'" not in documented}


def test_handles_can_be_used_again(loop: cxxloop.Loop) -> None:
    run_once(loop)
    for _ in range(10):
        loop.call_soon(print).cancel()
    before = cxxloop.debug_counters()
    run_once(loop)
    after = cxxloop.debug_counters()
    assert after["handles"] == before["handles"] - 10
    assert after["kept_handles"] >= 10


def test_loop_abandoned_with_everything_open_is_collected(
    certificates: Certificates, tmp_path: Path
) -> None:
    before = cxxloop.debug_counters()
    descriptors = set(os.listdir("/proc/self/fd"))
    open_ends: list[socket.socket] = []

    async def open_everything(loop: asyncio.AbstractEventLoop) -> None:
        server = await loop.create_server(lambda: Recorder(loop), "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        await loop.create_connection(lambda: Recorder(loop), *address)
        secret = await loop.create_server(
            lambda: Recorder(loop), "127.0.0.1", 0, ssl=certificates.for_server()
        )
        await loop.create_connection(
            *(lambda: Recorder(loop), *secret.sockets[0].getsockname()),
            ssl=certificates.for_client(),
            server_hostname="localhost",
        )
        ours, theirs = socket.socketpair()
        open_ends.append(theirs)
        blocked, _ = await loop.create_connection(lambda: Recorder(loop), sock=ours)
        blocked.write(bytes(1 << 22))
        await loop.create_unix_server(lambda: Recorder(loop), str(tmp_path / "server"))
        await loop.create_datagram_endpoint(asyncio.DatagramProtocol, ("127.0.0.1", 0))
        reading, writing = os.pipe()
        await loop.connect_read_pipe(lambda: Recorder(loop), os.fdopen(reading, "rb", 0))
        await loop.connect_write_pipe(lambda: Recorder(loop), os.fdopen(writing, "wb", 0))
        loop.add_reader(theirs, print, loop)
        loop.call_later(3600, loop.stop)
        loop.call_soon(print, loop)

    def abandon() -> None:
        loop = cxxloop.Loop()
        loop.run_until_complete(open_everything(loop))

    with pytest.warns(ResourceWarning) as warned:
        abandon()
        for _ in range(3):
            gc.collect()
    for sock in open_ends:
        sock.close()
    texts = [str(warning.message) for warning in warned]
    del warned  # They hold what they warn of.
    gc.collect()
    assert sum("unclosed event loop" in text for text in texts) == 1
    assert sum("unclosed transport" in text for text in texts) >= 6
    assert counted(before).keys() <= {"kept_handles"}
    assert {fd for fd in os.listdir("/proc/self/fd") if fd not in descriptors} <= {
        fd for fd in os.listdir("/proc/self/fd") if not os.path.exists(f"/proc/self/fd/{fd}")
    }
