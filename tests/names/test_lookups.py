"""Lookups run beside the loop; getnameinfo() answers as socket.getnameinfo() does."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import cxxloop
from tests.support.loops import run

Loop = asyncio.AbstractEventLoop

NUMERIC = socket.NI_NUMERICHOST
ADDRESSES: list[Any] = [
    *(("127.0.0.1", 80), ("127.0.0.1", 0), ("0.0.0.0", 65535), ("127.1", 80)),
    *(("::1", 80), ("::1", 80, 0), ("::1", 80, 0, 0), ("::1", 80, 5, 0), ("::", 65535, 0, 0)),
    *(("fe80::1", 80, 0, 1), ("fe80::1", 80, 0, 999), ("fe80::1%lo", 80), ("::ffff:1.2.3.4", 1)),
    *(("127.0.0.1", 80, 0), ("127.0.0.1", 80, 0, 0), ("::1", 80, 2**20), ("::1", 80, -1)),
    *(("127.0.0.1", 65536), ("127.0.0.1", -1), ("127.0.0.1", 2**31), ("127.0.0.1", 2**64)),
    *(("localhost", 80), ("name", 80), ("", 80), ("256.1.1.1", 80), ("a" * 64, 80)),
    *(("127.0.0.1", "80"), ("127.0.0.1", None), (None, 80), (b"127.0.0.1", 80), (1, 80)),
    *(("127.0.0.1",), (), ("::1", 80, 0, 0, 0), ["127.0.0.1", 80], "127.0.0.1", None, 5),
    *(("with\0null", 80), ("\ud800", 80), ("::1", 80, 0, 2**32), ("::1", 80, 0, -1)),
]


@pytest.mark.parametrize("address", ADDRESSES, ids=repr)
def test_addresses_are_named_as_the_socket_module_does(any_loop: Loop, address: Any) -> None:
    def directly(flags: Any) -> str:
        try:
            return repr(socket.getnameinfo(address, flags))
        except Exception as exc:
            return f"{type(exc)!r} {exc.args!r}"

    async def by_loop(flags: Any) -> str:
        try:
            return repr(await any_loop.getnameinfo(address, flags))
        except Exception as exc:
            return f"{type(exc)!r} {exc.args!r}"

    async def main() -> None:
        for flags in (
            NUMERIC,
            NUMERIC | socket.NI_NUMERICSERV,
            NUMERIC | socket.NI_DGRAM,
            NUMERIC | socket.NI_NAMEREQD,
            NUMERIC | socket.NI_NOFQDN,
            -1,
            2**31,
            2**64,
            "1",
            None,
            1.0,
        ):
            assert await by_loop(flags) == directly(flags)

    run(any_loop, main())


def test_flags_of_getnameinfo_are_zero_unless_given(any_loop: Loop) -> None:
    expected = socket.getnameinfo(("127.0.0.1", 80), 0)
    assert run(any_loop, any_loop.getnameinfo(("127.0.0.1", 80))) == expected
    assert run(any_loop, any_loop.getnameinfo(sockaddr=("127.0.0.1", 80), flags=0)) == expected


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Lookups wait for it; set at the end, so that no thread is left."""
    event = threading.Event()
    yield event
    event.set()


@pytest.fixture
def slow_lookups(gate: threading.Event, monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """Makes lookups wait for the gate; the threads that are in one."""
    threads: list[threading.Thread] = []

    def slowly(*args: Any, **options: Any) -> Any:
        threads.append(threading.current_thread())
        assert gate.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", slowly)
    monkeypatch.setattr(socket, "getnameinfo", slowly)
    return threads


async def started(threads: list[threading.Thread], count: int = 1) -> None:
    while len(threads) < count:
        await asyncio.sleep(0.001)


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("host", ["name", "127.0.0.1"])
def test_loop_runs_during_a_lookup(
    any_loop: Loop,
    gate: threading.Event,
    slow_lookups: list[threading.Thread],
    host: str,
    debug: bool,
) -> None:
    any_loop.set_debug(debug)

    async def main() -> None:
        lookup = asyncio.ensure_future(any_loop.getaddrinfo(host, 80))
        name = asyncio.ensure_future(any_loop.getnameinfo(("127.0.0.1", 80)))
        await started(slow_lookups, 2)
        assert threading.main_thread() not in slow_lookups
        for _ in range(100):
            await asyncio.sleep(0)
        assert not lookup.done() and not name.done()
        gate.set()
        assert (await lookup)[0][4] == ("127.0.0.1", 80)
        await name

    run(any_loop, main())


def test_lookup_that_hangs_can_be_cancelled(
    any_loop: Loop, gate: threading.Event, slow_lookups: list[threading.Thread]
) -> None:
    async def main() -> None:
        lookups: list[asyncio.Future[Any]] = [
            asyncio.ensure_future(any_loop.getaddrinfo("name", 80)),
            asyncio.ensure_future(any_loop.create_connection(asyncio.Protocol, "name", 80)),
        ]
        await started(slow_lookups, 2)
        for lookup in lookups:
            lookup.cancel()
            with pytest.raises(asyncio.CancelledError):
                await lookup
        gate.set()

    run(any_loop, main())


def test_lookup_that_ends_after_close_disturbs_nobody(
    any_loop: Loop, gate: threading.Event, slow_lookups: list[threading.Thread]
) -> None:
    async def main() -> None:
        lookup = asyncio.ensure_future(any_loop.getaddrinfo("name", 80))
        await started(slow_lookups)
        lookup.cancel()
        with pytest.raises(asyncio.CancelledError):
            await lookup

    run(any_loop, main())
    any_loop.close()
    assert slow_lookups[0].is_alive()
    gate.set()
    slow_lookups[0].join(10)
    assert not slow_lookups[0].is_alive()


def test_lookup_does_not_wait_for_jobs_of_the_default_executor(loop: cxxloop.Loop) -> None:
    """asyncio's lookups queue behind them."""
    gate = threading.Event()

    async def main() -> None:
        jobs = [loop.run_in_executor(None, gate.wait, 20) for _ in range(64)]
        found = await loop.getaddrinfo("localhost", 80, family=socket.AF_INET)
        assert found[0][4] == ("127.0.0.1", 80)
        assert not any(job.done() for job in jobs)
        gate.set()
        assert all(await asyncio.gather(*jobs))

    run(loop, main())


@pytest.mark.parametrize(
    ("host", "port"), [("127.0.0.1", 80), ("::1", 80), ("::ffff:1.2.3.4", 443), ("0.0.0.0", 0)]
)
def test_address_needs_no_thread(loop: cxxloop.Loop, host: Any, port: Any) -> None:
    before = threading.active_count()

    async def main() -> None:
        kind = socket.SOCK_STREAM
        for _ in range(10):
            assert await loop.getaddrinfo(host, port, type=kind) == socket.getaddrinfo(
                host, port, type=kind
            )
        assert threading.active_count() == before

    run(loop, main())


def test_connection_to_an_address_needs_no_thread(any_loop: Loop) -> None:
    before = threading.active_count()

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = listener.getsockname()
            with socket.socket() as sock:
                sock.setblocking(False)
                await any_loop.sock_connect(sock, address)
            transport, _ = await any_loop.create_connection(asyncio.Protocol, *address)
            transport.abort()
            await asyncio.sleep(0)
        server = await any_loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
        server.close()
        await server.wait_closed()
        if isinstance(any_loop, cxxloop.Loop):  # asyncio looks an address up to listen on it.
            assert threading.active_count() == before

    run(any_loop, main())


def test_many_lookups_at_once(any_loop: Loop) -> None:
    async def main() -> None:
        found = await asyncio.gather(
            *[any_loop.getaddrinfo("localhost", port, family=2) for port in range(1, 201)]
        )
        assert [info[0][4] for info in found] == [("127.0.0.1", port) for port in range(1, 201)]

    run(any_loop, main())


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_closed_loop_refuses_lookups(any_loop: Loop, host: str) -> None:
    any_loop.close()
    lookup: Any = any_loop.getaddrinfo(host, 80)
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        lookup.send(None)
    lookup = any_loop.getnameinfo(("127.0.0.1", 80))
    with pytest.raises(RuntimeError, match="Event loop is closed"):
        lookup.send(None)


def test_exception_of_a_lookup_comes_through(
    any_loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    def fail(*args: Any) -> Any:
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    for call in (
        any_loop.getaddrinfo("name", 80),
        any_loop.create_connection(asyncio.Protocol, "name", 80),
        any_loop.create_server(asyncio.Protocol, "name", 80),
    ):
        with pytest.raises(socket.gaierror) as info:
            run(any_loop, call)  # type: ignore[arg-type]
        assert info.value is error
